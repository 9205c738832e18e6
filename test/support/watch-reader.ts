import type { Store, StoreEvent } from '../../src/store/port.ts';
import { until } from './until.ts';

type Changes = Extract<StoreEvent, { kind: 'changes' }>;

/** Reads a watch to its end in the background and remembers what it was told. */
export class Reader {
  readonly events: StoreEvent[] = [];
  /** each change in order: "key=value", "-key" for a delete */
  readonly seen: string[] = [];
  /** whether the store called itself restored when each event came */
  readonly restored: boolean[] = [];
  ended = false;
  #taken = 0;
  readonly #abort = new AbortController();
  readonly #reading: Promise<void>;

  constructor(store: Store, prefix: string) {
    this.#reading = this.#read(store, prefix);
  }

  get snapshots(): number {
    return this.events.filter((event) => event.kind === 'snapshot').length;
  }

  async next(): Promise<StoreEvent> {
    await until(() => this.events.length > this.#taken, { what: 'an event of the watch' });
    return this.events[this.#taken++]!;
  }

  /** The next event that has changes. */
  async changes(): Promise<Changes> {
    for (;;) {
      const event = await this.next();
      if (event.kind === 'changes' && event.changes.length > 0) return event;
    }
  }

  async upTo(change: string, deadline = 10_000): Promise<void> {
    await until(() => this.seen.includes(change), { deadline, what: `the watch to tell of ${change}` });
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#reading;
  }

  async #read(store: Store, prefix: string): Promise<void> {
    for await (const event of store.watch(prefix, this.#abort.signal)) {
      this.events.push(event);
      this.restored.push(store.restored() !== undefined);
      if (event.kind === 'snapshot') continue;
      for (const change of event.changes) {
        this.seen.push(change.type === 'put' ? `${change.entry.key}=${String(change.entry.value)}` : `-${change.key}`);
      }
    }
    this.ended = true;
  }
}
