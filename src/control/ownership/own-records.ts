/**
 * What this node owns, as its journal has it. For these keys the journal is the truth and etcd the copy: the picture of the
 * cluster (control/cluster-view.ts) lays them over what it reads. All is synchronous in memory, so that a decision and what
 * it writes are one step; durable is what has been fsynced.
 */
import type { Appended, Journal, JournalOperation } from '../../store/journal/port.ts';
import { isPublished } from './keys.ts';

export class OwnRecords {
  readonly #journal: Journal;
  /** deleted here, perhaps not yet in etcd: the sequence of the deletion */
  readonly #gone = new Map<string, number>();
  /** changed here, perhaps not yet in etcd: the sequence of the last change */
  readonly #pending = new Map<string, number>();
  /** at which revision of the store a sequence stood in it, oldest first */
  readonly #published: { sequence: number; revision: number }[] = [];
  readonly #listeners = new Set<(keys: string[]) => void>();
  readonly #publishedListeners = new Set<(sequence: number, revision: number) => void>();
  readonly #failed = new AbortController();
  #last: Promise<void> = Promise.resolve();

  constructor(journal: Journal) {
    this.#journal = journal;
    for (const { sequence, operations } of journal.pending(journal.published, Infinity))
      this.#note(operations, sequence);
  }

  /** The journal cannot be written any more: what memory has since may be more than what is durable. Only a restart helps. */
  get failed(): AbortSignal {
    return this.#failed.signal;
  }

  get journal(): Journal {
    return this.#journal;
  }

  get sequence(): number {
    return this.#journal.sequence;
  }

  /** All that was appended before the call survives a crash; rejects when the journal has failed. */
  untilDurable(): Promise<void> {
    return this.#last;
  }

  get<T>(key: string): T | undefined {
    return this.#journal.get(key) as T | undefined;
  }

  /** An etcd put back from a backup shows records of this node besides, which are over. */
  has(key: string): boolean {
    return this.#journal.get(key) !== undefined;
  }

  entries(prefix?: string): Iterable<[string, unknown]> {
    return this.#journal.entries(prefix);
  }

  /** The journal has it, or had it and etcd may not know yet that it is gone: what etcd says of it does not count. */
  decides(key: string): boolean {
    return this.#gone.has(key) || this.#journal.get(key) !== undefined;
  }

  /** Keys whose last change may not be in etcd yet. */
  pending(): string[] {
    return [...this.#pending.keys()];
  }

  /** Its last change may not be in etcd yet. */
  isPending(key: string): boolean {
    return this.#pending.has(key);
  }

  /** `release`: what ends something, which is written even when the disk is full (invariant 7). */
  append(operations: JournalOperation[], kind: 'normal' | 'release' = 'normal'): Appended {
    const appended = this.#journal.append(operations, kind);
    this.#note(operations, appended.sequence);
    this.#last = appended.durable;
    this.#last.catch((error: unknown) => this.#failed.abort(error));
    const keys = operations.map((operation) => ('put' in operation ? operation.put : operation.delete));
    for (const listener of this.#listeners) listener(keys.filter(isPublished));
    return appended;
  }

  /** Called with the published keys of each append, after it; listeners only wake others. */
  onAppend(listener: (keys: string[]) => void): void {
    this.#listeners.add(listener);
  }

  onPublished(listener: (sequence: number, revision: number) => void): void {
    this.#publishedListeners.add(listener);
  }

  /** The store holds everything up to `sequence` since its revision `revision`. */
  publishedUpTo(sequence: number, revision: number): void {
    this.#journal.publishedUpTo(sequence);
    // A restored store counts from a lower revision again.
    while ((this.#published.at(-1)?.revision ?? 0) > revision) this.#published.pop();
    this.#published.push({ sequence, revision });
    for (const [key, at] of this.#pending) if (at <= sequence) this.#pending.delete(key);
    for (const listener of this.#publishedListeners) listener(sequence, revision);
  }

  /** The picture has seen the store up to `revision`: what was deleted before is gone from it. Returns those keys. */
  seen(revision: number): string[] {
    let sequence = 0;
    while (this.#published[0] && this.#published[0].revision <= revision) {
      sequence = this.#published.shift()?.sequence ?? sequence;
    }
    if (sequence === 0) return [];
    const gone = [...this.#gone].filter(([, at]) => at <= sequence).map(([key]) => key);
    for (const key of gone) this.#gone.delete(key);
    return gone;
  }

  #note(operations: JournalOperation[], sequence: number): void {
    for (const operation of operations) {
      const key = 'put' in operation ? operation.put : operation.delete;
      if (!isPublished(key)) continue;
      this.#pending.set(key, sequence);
      if ('put' in operation) this.#gone.delete(key);
      else this.#gone.set(key, sequence);
    }
  }
}
