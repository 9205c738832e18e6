import { describe, expect, it } from 'vitest';
import type { Entry, Store, StoreEvent } from '../../src/store/port.ts';
import type { StoreBench } from '../support/store-harness.ts';

const WRITES = 50_000;
const KEYS = 1_000;
const A_TRANSACTION = 100;

/** Applies events as a consumer does. */
function apply(picture: Map<string, unknown>, event: StoreEvent): void {
  if (event.kind === 'snapshot') {
    picture.clear();
    for (const entry of event.entries) picture.set(entry.key, entry.value);
    return;
  }
  for (const change of event.changes) {
    if (change.type === 'put') picture.set(change.entry.key, change.entry.value);
    else picture.delete(change.key);
  }
}

async function writeMany(store: Store): Promise<void> {
  for (let at = 0; at < WRITES; at += A_TRANSACTION) {
    const then = Array.from({ length: A_TRANSACTION }, (_, i) => ({ put: `k${(at + i) % KEYS}`, value: at + i }));
    await store.transact({ compare: [], then });
  }
}

export function describeSlowAndThrowingReaders(bench: StoreBench): void {
  describe('readers', () => {
    it('that stop during 50,000 writes get a snapshot instead of unlimited memory', async () => {
      const store = await bench.fresh();
      const abort = new AbortController();
      const slow = store.watch('', abort.signal)[Symbol.asyncIterator]();
      const picture = new Map<string, unknown>();
      const first = await slow.next();
      if (!first.done) apply(picture, first.value);
      // now it is up to its server and this process what becomes of the changes
      await writeMany(store);
      await store.transact({ compare: [], then: [{ put: 'end', value: true }] });

      let snapshots = 0;
      let changes = 0;
      while (!picture.has('end')) {
        const next = await slow.next();
        if (next.done) throw new Error('the watch ended');
        const event = next.value;
        if (event.kind === 'snapshot') snapshots += 1;
        else changes += event.changes.length;
        apply(picture, event);
      }
      const { entries } = await store.list('');
      expect(picture).toEqual(new Map(entries.map((entry: Entry) => [entry.key, entry.value])));
      expect(snapshots).toBeGreaterThanOrEqual(1);
      expect(changes).toBeLessThan(WRITES / 2);
      abort.abort();
      expect(await slow.next()).toMatchObject({ done: true });
    });

    it('that throw harm neither the store nor other readers, and begin anew with a snapshot', async () => {
      const store = await bench.fresh();
      const other = bench.watch(store);
      await other.next();
      const abort = new AbortController();
      const reading = (async () => {
        for await (const event of store.watch('', abort.signal)) {
          if (event.kind === 'changes' && event.changes.length > 0) throw new Error('a fault of the reader');
        }
      })();
      const failed = expect(reading).rejects.toThrow('a fault of the reader');
      for (let i = 0; i < 20; i++) await store.transact({ compare: [], then: [{ put: 'a', value: i }] });
      await failed;
      await store.transact({ compare: [], then: [{ put: 'b', value: 1 }] });
      await other.upTo('b=1');
      expect(other.seen).toEqual([...Array.from({ length: 20 }, (_, i) => `a=${i}`), 'b=1']);
      expect(other.snapshots).toBe(1);
      const again = bench.watch(store);
      expect(await again.next()).toMatchObject({ kind: 'snapshot', entries: [{ value: 19 }, { value: 1 }] });
    });
  });
}
