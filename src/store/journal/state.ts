/** The records after the last append, in memory, with the way back to what is durable. */
import { PrefixMap } from '../../model/prefix-map.ts';
import type { JournalOperation } from './port.ts';

/** What was there before an append, in the order in which it was replaced. */
export type Undo = readonly { key: string; existed: boolean; value: unknown }[];

export class State {
  readonly #records = new PrefixMap<unknown>();

  get size(): number {
    return this.#records.size;
  }

  get(key: string): unknown {
    return this.#records.get(key);
  }

  entries(prefix?: string): IterableIterator<[string, unknown]> {
    return this.#records.entries(prefix);
  }

  set(key: string, value: unknown): void {
    this.#records.set(key, value);
  }

  apply(operations: readonly JournalOperation[]): Undo {
    return operations.map((operation) => {
      const key = 'put' in operation ? operation.put : operation.delete;
      const before = { key, existed: this.#records.has(key), value: this.#records.get(key) };
      if ('put' in operation) this.#records.set(key, operation.value);
      else this.#records.delete(key);
      return before;
    });
  }

  undo(undo: Undo): void {
    revert(this.#records, undo);
  }

  /** As it was before the appends of `undone`, newest last. */
  before(undone: readonly Undo[]): [string, unknown][] {
    if (undone.length === 0) return [...this.#records.entries()];
    const records = new Map(this.#records.entries());
    for (const undo of undone.toReversed()) revert(records, undo);
    return [...records];
  }
}

function revert(records: Map<string, unknown> | PrefixMap<unknown>, undo: Undo): void {
  for (const { key, existed, value } of undo.toReversed()) {
    if (existed) records.set(key, value);
    else records.delete(key);
  }
}
