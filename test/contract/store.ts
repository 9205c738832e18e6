/** What every store must do, run against each of them (memory.test.ts, etcd.test.ts, etcd-three.test.ts). */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Store, StoreEvent } from '../../src/store/port.ts';
import type { StoreBench, StoreHarness } from '../support/store-harness.ts';
import { until } from '../support/until.ts';
import { Reader } from '../support/watch-reader.ts';
import { describeLeases } from './store-leases.ts';
import { describeSlowAndThrowingReaders } from './store-readers.ts';
import { describeRestore } from './store-restore.ts';

export function describeStore(name: string, create: () => Promise<StoreHarness>): void {
  describe(`${name} as a store`, () => {
    let harness: StoreHarness;
    let store: Store;
    let prefix = '';
    let count = 0;
    const opened: Store[] = [];
    const readers: Reader[] = [];
    const bench: StoreBench = {
      fresh: async () => {
        await fresh();
        return store;
      },
      open: async (keeper) => {
        const one = await harness.open(prefix, keeper);
        opened.push(one);
        return one;
      },
      watch: (on, under = '') => {
        const reader = new Reader(on, under);
        readers.push(reader);
        return reader;
      },
      freeze: () => harness.freeze(),
      thaw: () => harness.thaw(),
      backup: () => harness.backup(prefix),
      restore: (options) => harness.restore(prefix, options),
    };
    const { watch } = bench;

    async function fresh(): Promise<void> {
      prefix = `/test/${++count}/`;
      store = await bench.open();
      await until(() => store.state() === 'ok', { what: 'the store to answer' });
    }

    beforeAll(async () => {
      harness = await create();
    });
    afterEach(async () => {
      // a failure of one test is no other's
      await harness.thaw();
      await Promise.all(readers.splice(0).map((reader) => reader.stop()));
      await Promise.all(opened.splice(0).map((each) => each.close()));
    });
    afterAll(async () => {
      await harness.remove();
    });

    const put = (key: string, value: unknown) => store.transact({ compare: [], then: [{ put: key, value }] });

    describe('reading and writing', () => {
      it('gives back what was written, with the revisions of its creation and last write', async () => {
        await fresh();
        const first = await put('a', { n: 1 });
        const second = await put('a', { n: 2 });
        expect(second.revision).toBe(first.revision + 1);
        const { entry, revision } = await store.get('a');
        expect(entry).toEqual({ key: 'a', value: { n: 2 }, revision: second.revision, created: first.revision });
        expect(revision).toBe(second.revision);
      });

      it('reports an absent key as absent', async () => {
        await fresh();
        expect((await store.get('none')).entry).toBeUndefined();
      });

      it('lists a prefix in the order of keys, and nothing beside it', async () => {
        await fresh();
        for (const key of ['b/2', 'a/1', 'b/1', 'b', 'b0']) await put(key, key);
        expect((await store.list('b/')).entries.map((entry) => entry.key)).toEqual(['b/1', 'b/2']);
        expect((await store.list('')).entries).toHaveLength(5);
      });

      it('lists more than one page', async () => {
        await fresh();
        const keys = Array.from({ length: 4_100 }, (_, i) => `many/${String(i).padStart(5, '0')}`);
        for (let i = 0; i < keys.length; i += 100) {
          await store.transact({ compare: [], then: keys.slice(i, i + 100).map((key) => ({ put: key, value: 0 })) });
        }
        expect((await store.list('many/')).entries.map((entry) => entry.key)).toEqual(keys);
      });

      it('does not share memory with its callers', async () => {
        await fresh();
        const value = { list: [1] };
        await put('a', value);
        value.list.push(2);
        const { entry } = await store.get('a');
        (entry?.value as typeof value).list.push(3);
        expect((await store.get('a')).entry?.value).toEqual({ list: [1] });
      });
    });

    describe('transactions', () => {
      it('writes only while a key is at the revision compared with', async () => {
        await fresh();
        const { revision } = await put('a', 1);
        const write = { compare: [{ key: 'a', revision }], then: [{ put: 'a', value: 2 }] };
        expect((await store.transact(write)).succeeded).toBe(true);
        expect((await store.transact(write)).succeeded).toBe(false);
        expect((await store.get('a')).entry?.value).toBe(2);
      });

      it('takes revision 0 for absent', async () => {
        await fresh();
        const create = { compare: [{ key: 'a', revision: 0 }], then: [{ put: 'a', value: 1 }] };
        expect((await store.transact(create)).succeeded).toBe(true);
        expect((await store.transact(create)).succeeded).toBe(false);
      });

      it('knows an empty prefix from one with a key', async () => {
        await fresh();
        const write = { compare: [{ emptyPrefix: 'dir/' }], then: [{ put: 'done', value: 1 }] };
        await put('dir', 'beside it');
        await put('dir0', 'behind it');
        expect((await store.transact(write)).succeeded).toBe(true);
        await put('dir/a', 1);
        expect((await store.transact(write)).succeeded).toBe(false);
        await store.transact({ compare: [], then: [{ delete: 'dir/a' }] });
        expect((await store.transact(write)).succeeded).toBe(true);
      });

      it('writes nothing when one of several compares fails', async () => {
        await fresh();
        await put('a', 1);
        const { revision } = await store.get('a');
        const result = await store.transact({
          compare: [
            { key: 'a', revision },
            { key: 'b', revision: 7 },
          ],
          then: [
            { put: 'a', value: 2 },
            { put: 'c', value: 3 },
          ],
        });
        expect(result).toEqual({ succeeded: false, revision });
        expect((await store.list('')).entries.map(({ key, value }) => [key, value])).toEqual([['a', 1]]);
      });

      it('deletes a key, a prefix, and what is not there', async () => {
        await fresh();
        for (const key of ['p/1', 'p/2', 'q/1', 'q/2']) await put(key, key);
        await store.transact({ compare: [], then: [{ deletePrefix: 'p/' }, { delete: 'q/1' }, { delete: 'none' }] });
        expect((await store.list('')).entries.map((entry) => entry.key)).toEqual(['q/2']);
      });

      it('leaves the revision as it is when nothing changes', async () => {
        await fresh();
        const { revision } = await put('a', 1);
        expect(await store.transact({ compare: [], then: [{ delete: 'none' }] })).toEqual({
          succeeded: true,
          revision,
        });
      });

      it('lets one of many competing creators win', async () => {
        await fresh();
        const results = await Promise.all(
          Array.from({ length: 20 }, (_, i) =>
            store.transact({ compare: [{ key: 'one', revision: 0 }], then: [{ put: 'one', value: i }] }),
          ),
        );
        expect(results.filter((result) => result.succeeded)).toHaveLength(1);
      });

      it.each([
        [
          'a key put twice',
          [
            { put: 'a', value: 1 },
            { put: 'a', value: 2 },
          ],
        ],
        ['a key put and deleted', [{ put: 'a', value: 1 }, { delete: 'a' }]],
        ['a key put under a deleted prefix', [{ put: 'a/1', value: 1 }, { deletePrefix: 'a/' }]],
        ['101 operations', Array.from({ length: 101 }, (_, i) => ({ put: `k${i}`, value: i }))],
        ['more than 512 KiB', [{ put: 'big', value: 'x'.repeat(512 * 1024) }]],
        ['a value that is not JSON', [{ put: 'a', value: undefined }]],
      ])('refuses %s', async (_, then) => {
        await fresh();
        await expect(store.transact({ compare: [], then })).rejects.toMatchObject({ code: 'internal' });
        expect((await store.list('')).entries).toEqual([]);
      });
    });

    describe('watches', () => {
      it('begins with a snapshot, then tells of changes in order, each transaction whole', async () => {
        await fresh();
        await put('a', 1);
        const reader = watch(store);
        const snapshot = await reader.next();
        expect(snapshot).toMatchObject({ kind: 'snapshot', entries: [{ key: 'a', value: 1 }] });

        const { revision } = await store.transact({
          compare: [],
          then: [{ put: 'b', value: 2 }, { put: 'c', value: 3 }, { delete: 'a' }],
        });
        const event = await reader.changes();
        expect(event.revision).toBe(revision);
        expect(event.changes.map(show).sort()).toEqual(['-a', 'b=2', 'c=3']);
      });

      it('tells of a watched prefix only', async () => {
        await fresh();
        const reader = watch(store, 'in/');
        await reader.next();
        await put('out/1', 1);
        await put('in/1', 1);
        await put('in', 1);
        await put('in/2', 2);
        await reader.upTo('in/2=2');
        expect(reader.seen).toEqual(['in/1=1', 'in/2=2']);
      });

      it('loses and doubles nothing of many transactions, and splits none', async () => {
        await fresh();
        const reader = watch(store);
        await reader.next();
        const pairs = Array.from({ length: 200 }, (_, i) => i);
        for (const i of pairs) {
          await store.transact({
            compare: [],
            then: [
              { put: 'x', value: i },
              { put: 'y', value: i },
            ],
          });
        }
        await reader.upTo('y=199');
        expect(reader.seen).toEqual(pairs.flatMap((i) => [`x=${i}`, `y=${i}`]));
        for (const event of reader.events) if (event.kind === 'changes') expect(event.changes.length % 2).toBe(0);
      });

      it('ends when its signal is aborted', async () => {
        await fresh();
        const reader = watch(store);
        await reader.next();
        await reader.stop();
        expect(reader.ended).toBe(true);
      });

      it('ends when the store is closed', async () => {
        await fresh();
        const reader = watch(store);
        await reader.next();
        await store.close();
        await until(() => reader.ended, { what: 'the watch to end' });
      });

      it('goes on after the server was killed, without loss or doubling', async () => {
        await fresh();
        const reader = watch(store);
        await reader.next();
        await put('a', 1);
        await reader.upTo('a=1');
        await harness.kill();
        await until(() => store.state() === 'away', { what: 'the store to be away' });
        await harness.unseen(
          prefix,
          async (other) => {
            await other.transact({ compare: [], then: [{ put: 'b', value: 2 }] });
            await other.transact({ compare: [], then: [{ put: 'c', value: 3 }, { delete: 'a' }] });
          },
          { compact: false },
        );
        await until(() => store.state() === 'ok', { what: 'the store to be back' });
        await put('d', 4);
        await reader.upTo('d=4');
        expect(reader.seen).toEqual(['a=1', 'b=2', 'c=3', '-a', 'd=4']);
        expect(reader.snapshots).toBe(1);
      });

      it('begins anew with a snapshot when the history it missed was compacted', async () => {
        await fresh();
        const reader = watch(store);
        await reader.next();
        await put('a', 1);
        await reader.upTo('a=1');
        await harness.kill();
        await harness.unseen(
          prefix,
          async (other) => {
            await other.transact({ compare: [], then: [{ put: 'b', value: 2 }, { delete: 'a' }] });
          },
          { compact: true },
        );
        await until(() => reader.snapshots === 2, { deadline: 15_000, what: 'a second snapshot' });
        const snapshot = reader.events.at(-1);
        expect(snapshot).toMatchObject({ kind: 'snapshot', entries: [{ key: 'b', value: 2 }] });
      });
    });

    describe('outages', () => {
      it('ends every call by its deadline while the server stands still, and recovers', async () => {
        await fresh();
        await put('a', 1);
        const reader = watch(store);
        await reader.next();
        await harness.freeze();
        const begun = performance.now();
        const calls = await Promise.allSettled([
          store.get('a', { deadline: 700 }),
          store.list('', { deadline: 700 }),
          store.transact({ compare: [], then: [{ put: 'b', value: 1 }] }, { deadline: 700 }),
          store.lease(5, { deadline: 700 }),
        ]);
        expect(performance.now() - begun).toBeLessThan(1_500);
        for (const call of calls) {
          expect(call).toMatchObject({ status: 'rejected', reason: { code: 'store-away' } });
        }
        await until(() => store.state() === 'away', { deadline: 4_000, what: 'the store to be away' });
        await harness.thaw();
        await until(() => store.state() === 'ok', { deadline: 8_000, what: 'the store to be back' });
        await put('c', 3);
        await reader.upTo('c=3');
      });

      it('rejects with the reason of an aborted signal', async () => {
        await fresh();
        await harness.freeze();
        const reason = new Error('changed my mind');
        const abort = new AbortController();
        const call = store.get('a', { signal: abort.signal });
        abort.abort(reason);
        await expect(call).rejects.toBe(reason);
        await harness.thaw();
        await until(() => store.state() === 'ok', { what: 'the store to be back' });
      });

      it('yields the present state first, then its changes', async () => {
        await fresh();
        const states: string[] = [];
        const abort = new AbortController();
        const reading = (async () => {
          for await (const state of store.states(abort.signal)) states.push(state);
        })();
        await until(() => states.length === 1, { what: 'the present state' });
        await harness.kill();
        await until(() => states.at(-1) === 'away', { what: 'the store to be away' });
        await harness.start();
        await until(() => states.at(-1) === 'ok', { deadline: 8_000, what: 'the store to be back' });
        abort.abort();
        await reading;
        // several members neither go nor come back in the same moment
        expect(states.filter((state) => state !== 'degraded')).toEqual(['ok', 'away', 'ok']);
      });
    });

    describeLeases(bench);
    describeSlowAndThrowingReaders(bench);
    describeRestore(bench);
  });
}

function show(change: Extract<StoreEvent, { kind: 'changes' }>['changes'][number]): string {
  return change.type === 'delete' ? `-${change.key}` : `${change.entry.key}=${String(change.entry.value)}`;
}
