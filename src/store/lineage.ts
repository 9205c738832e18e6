/**
 * Recognises a restored etcd: another cluster id, or a revision that has gone back.
 *
 * Only linearizable answers are evidence: such an answer is never older than anything that was seen before its question
 * was sent. Answers overtake each other, and a member that lags tells an old revision in all innocence, so each answer is
 * compared with the mark of its question, and watches only move the mark on.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { WeftError } from '../model/errors.ts';
import type { Log } from './log.ts';
import type { HistoryMark, LineageKeeper, LineageRecord, Restoration } from './port.ts';

/** milliseconds; a restore of a backup younger than this may go unnoticed by a process that was down meanwhile */
const SAVE_INTERVAL = 5_000;

/** Of etcd's response headers. */
export interface Header {
  cluster_id: string;
  revision: string;
}

/** What was known when a question was sent. */
export interface Question {
  readonly seen: HistoryMark | undefined;
  /** aborted when the history it belongs to turns out to be replaced */
  readonly replaced: AbortSignal;
}

export class Lineage {
  readonly #keeper: LineageKeeper | undefined;
  readonly #log: Log;
  #seen: HistoryMark | undefined;
  #saved: HistoryMark | undefined;
  #restored: Restoration | undefined;
  #replaced = new AbortController();
  #saving: Promise<void> = Promise.resolve();

  constructor(keeper: LineageKeeper | undefined, log: Log) {
    this.#keeper = keeper;
    this.#log = log;
  }

  /** Takes up what an earlier process knew. Rejects when the record cannot be read. */
  async load(): Promise<void> {
    const record = await this.#keeper?.load();
    this.#seen = this.#saved = record?.seen;
    this.#restored = record?.restored;
    if (this.#restored) this.#log.warn(this.#restored, 'etcd was restored, and nobody has accepted that yet');
  }

  get restored(): Restoration | undefined {
    return this.#restored;
  }

  /** To be taken before a question is sent. */
  question(): Question {
    return { seen: this.#seen, replaced: this.#replaced.signal };
  }

  /** The header of a linearizable answer. */
  answered(question: Question, header: Header): void {
    // it was asked of a history that is known to be gone
    if (question.replaced.aborted) return;
    const now = markOf(header);
    const { seen } = question;
    if (seen && (seen.clusterId !== now.clusterId || now.revision < seen.revision)) this.#replace(now);
    else this.#advance(now);
  }

  /** The header of what a watch tells: it may lag, but what it has is committed. */
  told(question: Question, header: Header): void {
    if (!question.replaced.aborted && this.#seen?.clusterId === header.cluster_id) this.#advance(markOf(header));
  }

  accept(): Promise<void> {
    this.#restored = undefined;
    return this.#save();
  }

  /** Keeps the record until the signal, and a last time then. */
  async keep(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(SAVE_INTERVAL, undefined, { signal, ref: false }).catch(() => undefined);
      await this.flush();
    }
  }

  /** A record that cannot be written costs a later process its warning, which is no reason to stop this one. */
  async flush(): Promise<void> {
    if (!this.#seen || this.#seen === this.#saved) return;
    try {
      await this.#save();
    } catch (error) {
      this.#log.warn({ err: error }, 'what is known of etcd’s history cannot be kept');
    }
  }

  #advance(now: HistoryMark): void {
    if (!this.#seen || now.revision > this.#seen.revision) this.#seen = now;
  }

  #replace(after: HistoryMark): void {
    const before = this.#restored?.before ?? this.#seen ?? after;
    this.#restored = { before, after, noticedAt: new Date().toISOString() };
    this.#seen = after;
    this.#log.warn(this.#restored, 'etcd was restored: its history is not the one known here');
    this.#replaced.abort(new WeftError('store-away', 'etcd was restored'));
    this.#replaced = new AbortController();
    void this.flush();
  }

  /** One after the other, each with the newest. */
  #save(): Promise<void> {
    const save = async (): Promise<void> => {
      const seen = this.#seen;
      if (!this.#keeper || !seen) return;
      const record: LineageRecord = { seen, ...(this.#restored && { restored: this.#restored }) };
      await this.#keeper.save(record);
      this.#saved = seen;
    };
    const saving = this.#saving.then(save);
    this.#saving = saving.catch(() => undefined);
    return saving;
  }
}

function markOf(header: Header): HistoryMark {
  return { clusterId: header.cluster_id, revision: Number(header.revision) };
}
