import type { Journal, JournalEntry, JournalHeader, JournalOperation } from '../../src/store/journal/port.ts';

/** A journal on a disk that never fails, for tests of what stands above it; the real one has tests of its own. */
export class MemoryJournal implements Journal {
  header: JournalHeader;
  fresh = true;
  readonly full = false;
  readonly failure = undefined;
  sequence = 0;
  published = 0;
  readonly #records = new Map<string, unknown>();
  readonly #entries: JournalEntry[] = [];

  constructor(header: JournalHeader) {
    this.header = header;
  }

  get durable(): number {
    return this.sequence;
  }

  get(key: string): unknown {
    return this.#records.get(key);
  }

  *entries(prefix = ''): Iterable<[string, unknown]> {
    for (const [key, value] of this.#records) if (key.startsWith(prefix)) yield [key, value];
  }

  pending(after: number, limit: number): JournalEntry[] {
    return this.#entries.filter(({ sequence }) => sequence > after).slice(0, limit);
  }

  append(operations: JournalOperation[]): { sequence: number; durable: Promise<void> } {
    this.sequence++;
    this.#entries.push({ sequence: this.sequence, operations });
    for (const operation of operations) {
      if ('put' in operation) this.#records.set(operation.put, structuredClone(operation.value));
      else this.#records.delete(operation.delete);
    }
    return { sequence: this.sequence, durable: Promise.resolve() };
  }

  publishedUpTo(sequence: number): void {
    this.published = sequence;
  }

  regain(): Promise<void> {
    return Promise.resolve();
  }

  assertRoom(): void {
    // there always is
  }

  rebind(header: JournalHeader): Promise<void> {
    this.header = header;
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
