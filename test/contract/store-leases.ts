import { describe, expect, it } from 'vitest';
import type { StoreBench } from '../support/store-harness.ts';
import { until } from '../support/until.ts';

export function describeLeases(bench: StoreBench): void {
  describe('leases', () => {
    it('keeps its keys while it is kept alive, and takes them along when revoked', async () => {
      const store = await bench.fresh();
      const lease = await store.lease(2);
      await store.transact({ compare: [], then: [{ put: 'live/n1', value: 1, lease }] });
      const begun = performance.now();
      await until(() => performance.now() - begun > 3_500, { what: 'more than the lease’s time to pass' });
      expect(lease.lost.aborted).toBe(false);
      expect((await store.get('live/n1')).entry?.value).toBe(1);

      const reader = bench.watch(store);
      await reader.next();
      await lease.revoke();
      expect(lease.lost.aborted).toBe(true);
      await reader.upTo('-live/n1');
    });

    it('counts as lost not later than its time after the server fell silent; its keys vanish', async () => {
      const store = await bench.fresh();
      const lease = await store.lease(2);
      await store.transact({ compare: [], then: [{ put: 'live/n1', value: 1, lease }] });
      const reader = bench.watch(await bench.open());
      await reader.next();
      await bench.freeze();
      const begun = performance.now();
      let lostAfter = Infinity;
      lease.lost.addEventListener('abort', () => (lostAfter = performance.now() - begun));
      await until(() => lease.lost.aborted, { deadline: 4_000, what: 'the lease to be lost' });
      expect(lostAfter).toBeLessThanOrEqual(2_000);
      expect(reader.seen).toEqual([]);
      await bench.thaw();
      await reader.upTo('-live/n1', 15_000);
    });

    it('is lost when its store is closed', async () => {
      const store = await bench.fresh();
      const lease = await store.lease(5);
      await store.close();
      expect(lease.lost.aborted).toBe(true);
    });

    it('refuses a put on a lease that has ended', async () => {
      const store = await bench.fresh();
      const lease = await store.lease(5);
      await lease.revoke();
      const late = store.transact({ compare: [], then: [{ put: 'a', value: 1, lease }] });
      await expect(late).rejects.toMatchObject({ code: 'store-conflict' });
    });
  });
}
