/** Durable entries that are not known to be published, in memory and in order. */
import { mergeEntries } from './merge.ts';
import type { JournalEntry } from './port.ts';

interface BacklogLimits {
  pendingEntries: number;
  mergedOperations: number;
}

export class Backlog {
  readonly #limits: BacklogLimits;
  #entries: JournalEntry[];
  /** entries before it are dropped, and cut off when they are many */
  #head = 0;
  /** entries above which merging is tried next: what cannot be merged is not looked at again and again */
  #mergeAbove: number;

  constructor(entries: readonly JournalEntry[], limits: BacklogLimits) {
    this.#entries = [...entries];
    this.#limits = limits;
    this.#mergeAbove = limits.pendingEntries;
  }

  get length(): number {
    return this.#entries.length - this.#head;
  }

  add(entries: readonly JournalEntry[]): void {
    for (const entry of entries) this.#entries.push(entry);
    if (this.length <= this.#mergeAbove) return;
    this.#entries = mergeEntries(this.all(), this.#limits.mergedOperations);
    this.#head = 0;
    this.#mergeAbove = Math.max(this.#limits.pendingEntries, 2 * this.length);
  }

  dropUpTo(sequence: number): void {
    this.#head = this.#after(sequence);
    if (this.#head < 1024 && this.#head < this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#head);
    this.#head = 0;
    this.#mergeAbove = this.#limits.pendingEntries;
  }

  after(sequence: number, limit: number): JournalEntry[] {
    const from = this.#after(sequence);
    return this.#entries.slice(from, from + limit);
  }

  all(): JournalEntry[] {
    return this.#entries.slice(this.#head);
  }

  /** Index of the first entry above `sequence`. */
  #after(sequence: number): number {
    let low = this.#head;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle]?.sequence ?? Infinity) <= sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
