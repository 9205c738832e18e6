/** Who writes and watches in a history check, and what they record. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Entry, Store, StoreEvent } from '../../src/store/port.ts';
import { WeftError } from '../../src/model/errors.ts';
import type { Random } from '../support/random.ts';
import type { Read, Seen, Told, Transacted, Value } from './history-model.ts';

export const KEYS = ['a', 'b', 'c', 'd'];
const DEADLINE = 2_000;

/**
 * Reads what it is going to change, then compares and changes it in one transaction: one key, several, or a delete. Each
 * transaction bears a mark of its writer too, so that one whose outcome is unknown is found before the next is made.
 */
export class Writer {
  readonly transactions: Transacted[] = [];
  readonly reads: Read[] = [];
  readonly #store: Store;
  readonly #name: string;
  readonly #random: Random;

  constructor(store: Store, name: string, random: Random) {
    this.#store = store;
    this.#name = name;
    this.#random = random;
  }

  async run(signal: AbortSignal): Promise<void> {
    for (let count = 0; !signal.aborted; count++) {
      try {
        await this.#turn(`${this.#name}-${count}`);
      } catch (error) {
        if (!(error instanceof WeftError) || error.code !== 'store-away') throw error;
      }
      await sleep(this.#random.between(0, 30));
    }
  }

  async #turn(id: string): Promise<void> {
    const mark = `mark/${this.#name}`;
    const some = KEYS.filter(() => this.#random.next() < 0.4);
    const chosen = some.length > 0 ? some : [this.#random.pick(KEYS)];
    const compare: Record<string, number> = {};
    for (const key of [mark, ...chosen]) compare[key] = (await this.#read(key))?.revision ?? 0;
    // deleting an absent key would be no change
    const deletes = chosen.filter((key) => compare[key] !== 0 && this.#random.next() < 0.2);
    const puts = [mark, ...chosen].filter((key) => !deletes.includes(key));
    await this.#transact({ id, compare, puts, deletes });
  }

  async #read(key: string): Promise<Seen | undefined> {
    const begun = performance.now();
    const { entry, revision } = await this.#store.get(key, { deadline: DEADLINE });
    const seen = entry && seenOf(entry);
    this.reads.push({ key, entry: seen, revision, begun, ended: performance.now() });
    return seen;
  }

  async #transact(one: Pick<Transacted, 'id' | 'compare' | 'puts' | 'deletes'>): Promise<void> {
    const begun = performance.now();
    const { outcome, revision } = await this.#outcomeOf(one);
    this.transactions.push({ ...one, begun, ended: performance.now(), outcome, revision });
  }

  async #outcomeOf({
    id,
    compare,
    puts,
    deletes,
  }: Pick<Transacted, 'id' | 'compare' | 'puts' | 'deletes'>): Promise<Pick<Transacted, 'outcome' | 'revision'>> {
    const transaction = {
      compare: Object.entries(compare).map(([key, revision]) => ({ key, revision })),
      then: [...puts.map((key) => ({ put: key, value: { id } })), ...deletes.map((key) => ({ delete: key }))],
    };
    try {
      const { succeeded, revision } = await this.#store.transact(transaction, { deadline: DEADLINE });
      return { outcome: succeeded ? 'committed' : 'refused', revision };
    } catch (error) {
      if (!(error instanceof WeftError) || error.code !== 'store-away') throw error;
      return { outcome: error.message.includes('is not known') ? 'unknown' : 'not-done', revision: 0 };
    }
  }
}

/** Records all it is told, sometimes slowly. */
export class Watcher {
  readonly name: string;
  readonly told: Told[] = [];
  readonly #store: Store;
  readonly #random: Random;

  constructor(store: Store, name: string, random: Random) {
    this.#store = store;
    this.name = name;
    this.#random = random;
  }

  get revision(): number {
    return this.told.at(-1)?.revision ?? 0;
  }

  async run(signal: AbortSignal): Promise<void> {
    for await (const event of this.#store.watch('', signal)) {
      this.told.push(toldOf(event));
      if (this.#random.next() < 0.02)
        await sleep(this.#random.between(100, 1_500), undefined, { signal }).catch(() => undefined);
    }
  }
}

export function seenOf({ key, value, revision, created }: Entry): Seen {
  return { key, value: value as Value, revision, created };
}

function toldOf(event: StoreEvent): Told {
  const { revision } = event;
  if (event.kind === 'snapshot') return { kind: 'snapshot', revision, entries: event.entries.map(seenOf) };
  const changes = event.changes.map((change) =>
    change.type === 'put' ? { put: seenOf(change.entry) } : { delete: change.key },
  );
  return { kind: 'changes', revision, changes };
}
