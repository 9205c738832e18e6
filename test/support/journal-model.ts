/** What a journal must hold after a crash, whatever happened: kept beside it by whoever drives it. */
import { isDeepStrictEqual } from 'node:util';
import type { Journal, JournalEntry, JournalOperation } from '../../src/store/journal/port.ts';

export type Records = Map<string, unknown>;

export function fold(entries: readonly JournalEntry[], into: Records = new Map()): Records {
  for (const { operations } of entries) {
    for (const operation of operations) {
      if ('put' in operation) into.set(operation.put, operation.value);
      else into.delete(operation.delete);
    }
  }
  return into;
}

/** Entry n of a line has sequence n + 1. */
type Line = JournalEntry[];

export class JournalModel {
  /** all that was appended, in order */
  #line: Line = [];
  /** ends of lines that were taken back since the last entry became durable: they may be found again */
  #rejected: Line[] = [];
  /** the highest sequence whose `durable` resolved */
  durable = 0;

  appended(sequence: number, operations: JournalOperation[]): void {
    if (sequence !== this.#line.length + 1) throw new Error(`sequence ${sequence} after ${this.#line.length}`);
    this.#line.push({ sequence, operations });
  }

  becameDurable(sequence: number): void {
    if (sequence > this.durable) this.#rejected = [];
    this.durable = Math.max(this.durable, sequence);
  }

  /** Entries from `sequence` on were taken back in memory. */
  rejected(sequence: number): void {
    if (sequence > this.#line.length) return;
    this.#rejected.push([...this.#line]);
    this.#line = this.#line.slice(0, sequence - 1);
  }

  get sequence(): number {
    return this.#line.length;
  }

  /** The state after the last append. */
  get records(): Records {
    return fold(this.#line);
  }

  /** Takes what was recovered for what happened, if it can have happened. */
  recovered(journal: Journal): void {
    const { sequence } = journal;
    if (sequence < this.durable) throw new Error(`recovered up to ${sequence}, but ${this.durable} was durable`);
    const found = new Map(journal.entries());
    const line = [this.#line, ...this.#rejected]
      .filter(({ length }) => length >= sequence)
      .map((entries) => entries.slice(0, sequence))
      .find((entries) => isDeepStrictEqual(fold(entries), found));
    if (!line) throw new Error(`what was recovered up to ${sequence} is nothing that was appended`);
    this.#line = line;
    this.#rejected = [];
    this.durable = sequence;
    this.checkPending(journal);
  }

  /** What waits to be published leads from what is published to what is durable. */
  checkPending(journal: Journal): void {
    const pending = journal.pending(journal.published, Infinity);
    for (const [index, { sequence }] of pending.entries()) {
      if (sequence <= (pending[index - 1]?.sequence ?? journal.published)) throw new Error('pending is not in order');
    }
    if ((pending.at(-1)?.sequence ?? journal.published) !== journal.durable) throw new Error('pending is not whole');
    const expected = fold(this.#line.slice(0, journal.published));
    const published = new Map(expected);
    let at = journal.published;
    for (const entry of pending) {
      fold([entry], published);
      fold(this.#line.slice(at, entry.sequence), expected);
      at = entry.sequence;
      if (!isDeepStrictEqual(published, expected)) {
        throw new Error(`entry ${entry.sequence} that waits to be published does not lead to its state`);
      }
    }
  }
}
