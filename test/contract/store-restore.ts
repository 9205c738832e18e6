import { describe, expect, it } from 'vitest';
import type { LineageKeeper, LineageRecord, Store } from '../../src/store/port.ts';
import type { StoreBench } from '../support/store-harness.ts';
import { until } from '../support/until.ts';

const put = (store: Store, key: string, value: unknown) => store.transact({ compare: [], then: [{ put: key, value }] });

/** What a file would hold. */
class KeptInMemory implements LineageKeeper {
  record: LineageRecord | undefined;

  load(): Promise<LineageRecord | undefined> {
    return Promise.resolve(structuredClone(this.record));
  }

  save(record: LineageRecord): Promise<void> {
    this.record = structuredClone(record);
    return Promise.resolve();
  }
}

export function describeRestore(bench: StoreBench): void {
  describe('a restore from a backup', () => {
    it.each([
      ['the revision has gone back', { newCluster: false }],
      ['it is another cluster', { newCluster: true }],
    ])('is recognised when %s, before anything of it is told', async (_, options) => {
      const store = await bench.fresh();
      await put(store, 'a', 1);
      const lease = await store.lease(20);
      await bench.backup();
      const reader = bench.watch(store);
      await reader.next();
      for (let i = 0; i < 5; i++) await put(store, 'b', i);
      await reader.upTo('b=4');
      expect(store.restored()).toBeUndefined();

      await bench.restore(options);
      await until(() => store.restored() !== undefined, { deadline: 20_000, what: 'the restore to be recognised' });
      const { before, after } = store.restored()!;
      expect(before.clusterId === after.clusterId).toBe(!options.newCluster);
      expect(after.revision).toBeLessThan(before.revision);
      await until(() => reader.snapshots === 2, { deadline: 20_000, what: 'a second snapshot' });
      const at = reader.events.findIndex((event, index) => index > 0 && event.kind === 'snapshot');
      expect(reader.events[at]).toMatchObject({ entries: [{ key: 'a', value: 1 }] });
      expect(reader.restored[at]).toBe(true);
      expect(lease.lost.aborted).toBe(true);
      expect(lease.held()).toBe(false);

      await until(() => store.state() === 'ok', { deadline: 20_000, what: 'the store to be back' });
      await put(store, 'c', 3);
      await reader.upTo('c=3');
      expect(reader.snapshots).toBe(2);
      await store.acceptRestored();
      expect(store.restored()).toBeUndefined();
      await put(store, 'd', 4);
      await reader.upTo('d=4');
      expect(store.restored()).toBeUndefined();
    });

    it('is recognised by a process that was down meanwhile, and by the next, until it is accepted', async () => {
      await bench.fresh();
      const keeper = new KeptInMemory();
      const first = await bench.open(keeper);
      await bench.backup();
      const { revision } = await put(first, 'a', 1);
      await first.close();
      expect(keeper.record?.seen.revision).toBe(revision);
      await bench.restore({ newCluster: false });

      for (let restarts = 0; restarts < 2; restarts++) {
        const store = await bench.open(keeper);
        await until(() => store.state() === 'ok', { deadline: 20_000, what: 'the store to answer' });
        expect(store.restored()).toMatchObject({ before: { revision } });
        await put(store, 'b', restarts);
        if (restarts === 1) await store.acceptRestored();
        await store.close();
      }
      const last = await bench.open(keeper);
      await last.get('a');
      expect(last.restored()).toBeUndefined();
    });

    it('is not seen in a restart, a freeze or an answer that was overtaken', async () => {
      const store = await bench.fresh();
      const reader = bench.watch(store);
      await reader.next();
      await Promise.all(
        Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? put(store, `k${i}`, i) : store.get(`k${i - 1}`))),
      );
      await bench.freeze();
      await until(() => store.state() === 'away', { deadline: 10_000, what: 'the store to be away' });
      await bench.thaw();
      await until(() => store.state() === 'ok', { deadline: 20_000, what: 'the store to be back' });
      await put(store, 'end', 1);
      await reader.upTo('end=1');
      expect(store.restored()).toBeUndefined();
      expect(reader.snapshots).toBe(1);
    });
  });
}
