/**
 * One watch stream of etcd: responses in, whole transactions out, through a bounded buffer. It never reconnects; watch.ts
 * does, with what `outcome` tells it.
 */
import type { ClientDuplexStream } from '@grpc/grpc-js';
import type { IWatchResponse } from 'etcd3';
import type { Codec, KeyRange } from './codec.ts';
import type { Lineage, Question } from './lineage.ts';
import type { Change } from './port.ts';

/** A reader this far behind is better served by a snapshot. */
export const MAX_BUFFERED_CHANGES = 20_000;
const MAX_BUFFERED_BYTES = 32 * 1024 * 1024;

/** What a watch goes on from: the last revision told of, in the history it belongs to. */
export interface Position {
  revision: number;
  clusterId: string;
  question: Question;
}

export type Outcome =
  /** go on from the same position */
  | { kind: 'broken'; reason: string }
  /** go on from the same position at another member: this one has not come as far yet, or is another's past */
  | { kind: 'behind'; reason: string }
  /** what lies between the position and now is not to be had any more */
  | { kind: 'lost'; reason: string };

export type Batch = { revision: number; changes: Change[] };

type WatchCall = ClientDuplexStream<object, IWatchResponse>;

export class WatchStream {
  readonly #call: WatchCall;
  readonly #codec: Codec;
  readonly #from: Readonly<Position>;
  readonly #lineage: Lineage;
  readonly #opened: Question;
  #buffer: Batch[] = [];
  #buffered: Weight = { changes: 0, bytes: 0 };
  #fragments: IWatchResponse['events'] = [];
  #created = false;
  #outcome: Outcome | undefined;
  #wake: () => void = () => undefined;

  constructor(
    call: WatchCall,
    range: KeyRange,
    from: Position,
    { codec, lineage }: { codec: Codec; lineage: Lineage },
  ) {
    this.#call = call;
    this.#lineage = lineage;
    this.#opened = lineage.question();
    this.#codec = codec;
    this.#from = { ...from };
    call.on('data', (response: IWatchResponse) => this.#receive(response));
    call.on('error', (error: Error) => this.end({ kind: 'broken', reason: error.message }));
    call.on('end', () => this.end({ kind: 'broken', reason: 'etcd ended the stream' }));
    // from the revision known already, whose events are passed over: a watch that starts at the very revision of a
    // compaction is not told so by etcd 3.4, yet the deletions of that revision are gone
    call.write({
      create_request: { ...range, start_revision: from.revision, progress_notify: true, fragment: true },
    });
  }

  /** etcd has taken up the watch. */
  get created(): boolean {
    return this.#created;
  }

  /** All that has come since, as one batch; or the outcome, once everything before it was taken. */
  async take(): Promise<Batch | Outcome> {
    while (this.#buffer.length === 0) {
      if (this.#outcome) return this.#outcome;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const batches = this.#buffer;
    this.#buffer = [];
    this.#buffered = weightOf(this.#fragments);
    return { revision: batches.at(-1)?.revision ?? 0, changes: batches.flatMap((batch) => batch.changes) };
  }

  /** Idempotent; the first outcome stands. */
  end(outcome: Outcome): void {
    if (this.#outcome) return;
    this.#outcome = outcome;
    // gaps in history make what was buffered behind them useless
    if (outcome.kind === 'lost') this.#buffer = [];
    this.#fragments = [];
    this.#call.cancel();
    this.#wake();
  }

  #receive(response: IWatchResponse): void {
    if (this.#outcome) return;
    const lost = this.#lostBy(response);
    if (lost !== undefined) this.end({ kind: 'lost', reason: lost });
    else if (this.#isBehind(response)) this.end({ kind: 'behind', reason: 'the member has not come as far yet' });
    else if (response.canceled) this.end({ kind: 'broken', reason: `etcd cancelled it: ${response.cancel_reason}` });
    else if (response.created) this.#created = true;
    else this.#gather(response);
  }

  #gather(response: IWatchResponse): void {
    for (const event of response.events) this.#fragments.push(event);
    this.#buffered = sum(this.#buffered, weightOf(response.events));
    if (this.#buffered.changes > MAX_BUFFERED_CHANGES || this.#buffered.bytes > MAX_BUFFERED_BYTES) {
      this.end({ kind: 'lost', reason: 'the reader is too slow' });
      return;
    }
    this.#lineage.told(this.#from.question, response.header);
    if (response.fragment) return;
    const events = this.#fragments;
    this.#fragments = [];
    // the header of a response with events may be ahead of them while the watch catches up
    const last = events.at(-1);
    const revision = Number(last ? last.kv.mod_revision : response.header.revision);
    const fresh = events.filter((event) => Number(event.kv.mod_revision) > this.#from.revision);
    if (events.length > 0 && fresh.length === 0) return;
    const changes = fresh.flatMap((event) => this.#codec.change(event) ?? []);
    this.#push({ revision, changes });
  }

  #lostBy(response: IWatchResponse): string | undefined {
    if (Number(response.compact_revision) > 0) return `compacted up to revision ${response.compact_revision}`;
    if (!response.created) return undefined;
    return response.header.cluster_id === this.#from.clusterId ? undefined : 'it is another cluster now';
  }

  /**
   * It may just lag; or etcd was restored, and what comes is another history. Either way nothing of it is told before a
   * linearizable read has decided which.
   */
  #isBehind({ created, header }: IWatchResponse): boolean {
    const known = Math.max(this.#from.revision, this.#opened.seen?.revision ?? 0);
    return created && Number(header.revision) < known;
  }

  #push(batch: Batch): void {
    this.#buffer.push(batch);
    this.#wake();
  }
}

interface Weight {
  changes: number;
  bytes: number;
}

function weightOf(events: IWatchResponse['events']): Weight {
  const bytes = events.reduce((total, { kv }) => total + kv.key.length + kv.value.length, 0);
  return { changes: events.length, bytes };
}

function sum(one: Weight, other: Weight): Weight {
  return { changes: one.changes + other.changes, bytes: one.bytes + other.bytes };
}
