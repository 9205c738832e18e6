/**
 * A watch that outlives streams, members and compactions: a snapshot, then changes from the revision after it, resumed
 * after a break from the revision after the last one told of, begun anew when history was lost.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { IWatchResponse } from 'etcd3';
import { describeCause } from '../model/errors.ts';
import type { Codec } from './codec.ts';
import type { Connection } from './connection.ts';
import type { Log } from './log.ts';
import type { StoreEvent } from './port.ts';
import { readSnapshot } from './snapshot.ts';
import { WatchStream, type Outcome, type Position } from './watch-stream.ts';

/** for etcd to take up a watch */
const CREATE_DEADLINE = 4_000;
const RETRY_MIN = 100;
const RETRY_MAX = 1_000;

export interface Watched {
  connection: Connection;
  codec: Codec;
  log: Log;
}

/** Nothing is read ahead of a snapshot that was not taken yet: a slow reader is given a newer one. */
export async function* watchPrefix(
  watched: Watched,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<StoreEvent, void, undefined> {
  const { connection, codec, log } = watched;
  const end = AbortSignal.any([signal, connection.closed]);
  const ended = (): boolean => end.aborted;
  let position: Position | undefined;
  let pause = RETRY_MIN;
  while (!ended()) {
    try {
      if (position?.question.replaced.aborted) position = undefined;
      if (!position) {
        const snapshot = await readSnapshot(connection, codec, prefix, { signal: end, patient: true });
        position = snapshot.position;
        pause = RETRY_MIN;
        yield { kind: 'snapshot', revision: position.revision, entries: snapshot.entries };
      }
      const opened = await openWatch(watched, prefix, position, end);
      const outcome = yield* follow(opened, position, () => (pause = RETRY_MIN));
      if (ended()) return;
      log.info({ prefix, revision: position.revision, reason: outcome.reason }, `a watch is ${outcome.kind}`);
      if (outcome.kind === 'lost') position = undefined;
      if (outcome.kind === 'behind') opened.passOver();
    } catch (error) {
      if (ended()) return;
      log.debug({ prefix, err: error }, `a watch waits for etcd: ${describeCause(error)}`);
    }
    await sleep(pause * (0.75 + Math.random() / 2), undefined, { signal: end }).catch(() => undefined);
    pause = Math.min(pause * 2, RETRY_MAX);
  }
}

interface OpenedWatch {
  stream: WatchStream;
  /** frees the timer and listeners that watch over the stream */
  release: () => void;
  passOver: () => void;
}

/** Yields what comes, moving `position` on, until the stream ends. */
async function* follow(
  { stream, release }: OpenedWatch,
  position: Position,
  onProgress: () => void,
): AsyncGenerator<StoreEvent, Outcome, undefined> {
  try {
    for (;;) {
      const next = await stream.take();
      if ('kind' in next) return next;
      onProgress();
      if (next.revision <= position.revision && next.changes.length === 0) continue;
      position.revision = Math.max(position.revision, next.revision);
      yield { kind: 'changes', revision: position.revision, changes: next.changes };
    }
  } finally {
    stream.end({ kind: 'broken', reason: 'the reader left' });
    release();
  }
}

async function openWatch(watched: Watched, prefix: string, from: Position, end: AbortSignal): Promise<OpenedWatch> {
  const { connection, codec } = watched;
  const { stream: call, broken, passOver } = await connection.openStream<object, IWatchResponse>('Watch', 'watch');
  const stream = new WatchStream(call, codec.range(prefix), from, { codec, lineage: connection.lineage });
  const stop = AbortSignal.any([end, broken, from.question.replaced]);
  const finish = (): void => {
    const kind = from.question.replaced.aborted ? 'lost' : 'broken';
    stream.end({ kind, reason: describeCause(stop.reason) });
  };
  if (stop.aborted) finish();
  else stop.addEventListener('abort', finish, { once: true });
  const late = setTimeout(() => {
    if (!stream.created) stream.end({ kind: 'broken', reason: `etcd did not take it up within ${CREATE_DEADLINE} ms` });
  }, CREATE_DEADLINE);
  const release = (): void => {
    clearTimeout(late);
    stop.removeEventListener('abort', finish);
  };
  return { stream, release, passOver };
}
