import { performance } from 'node:perf_hooks';
import type { IKeyValue, IRangeResponse } from 'etcd3';
import { HANDLER_DEADLINE } from '../model/limits.ts';
import type { Codec } from './codec.ts';
import type { Connection } from './connection.ts';
import { isCompacted } from './failure.ts';
import type { Question } from './lineage.ts';
import type { CallOptions, Entry } from './port.ts';
import type { Position } from './watch-stream.ts';

/** keys a page: some megabytes at most, well within a message */
const PAGE = 2_000;

export interface Snapshot {
  entries: Entry[];
  position: Position;
}

export interface SnapshotOptions extends CallOptions {
  /** the deadline is each page's, for readers whom nobody waits for; else it is the whole snapshot's */
  patient?: boolean;
}

/** All entries under a prefix as of one revision, read in pages. */
export async function readSnapshot(
  connection: Connection,
  codec: Codec,
  prefix: string,
  options: SnapshotOptions = {},
): Promise<Snapshot> {
  const deadline = options.deadline ?? HANDLER_DEADLINE;
  const endAt = performance.now() + deadline;
  const callOptions = (): CallOptions => ({
    deadline: options.patient ? deadline : Math.max(1, endAt - performance.now()),
    ...(options.signal && { signal: options.signal }),
  });
  for (;;) {
    const snapshot = await readOnce(connection, codec, prefix, callOptions);
    if (snapshot) return snapshot;
  }
}

/** undefined when the revision that was begun with went away under way: compacted, or etcd was restored. */
async function readOnce(
  connection: Connection,
  codec: Codec,
  prefix: string,
  callOptions: () => CallOptions,
): Promise<Snapshot | undefined> {
  const range = codec.range(prefix);
  const what = `list ${prefix || 'all records'}`;
  const kvs: IKeyValue[] = [];
  let position: Position | undefined;
  for (let from = range.key, more = true; more;) {
    const request = { ...range, key: from, limit: PAGE, ...(position && { revision: position.revision }) };
    const page = await readPage(connection, { request, what }, callOptions());
    if (!page) return undefined;
    // taken after an answer: what that answer revealed is the past already
    position ??= positionOf(page, connection.lineage.question());
    if (position.question.replaced.aborted || page.header.cluster_id !== position.clusterId) return undefined;
    kvs.push(...page.kvs);
    const last = page.kvs.at(-1);
    more = page.more && last !== undefined;
    if (last) from = Buffer.concat([last.key, Buffer.from([0])]);
  }
  return position && { entries: kvs.flatMap((kv) => codec.entry(kv) ?? []), position };
}

async function readPage(
  connection: Connection,
  page: { request: object; what: string },
  options: CallOptions,
): Promise<IRangeResponse | undefined> {
  const call = { service: 'KV', method: 'range', ...page, writes: false } as const;
  try {
    return await connection.call<IRangeResponse>(call, options);
  } catch (error) {
    if (error instanceof Error && isCompacted(error.cause)) return undefined;
    throw error;
  }
}

function positionOf({ header }: IRangeResponse, question: Question): Position {
  return { revision: Number(header.revision), clusterId: header.cluster_id, question };
}
