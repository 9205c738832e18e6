/** What only a real etcd can do to a store. */
import { afterEach, describe, expect, it } from 'vitest';
import { openEtcdStore } from '../../src/store/etcd.ts';
import type { Store } from '../../src/store/port.ts';
import { TestEtcd, freePort, hasEtcd, putRaw } from '../support/etcd.ts';
import { until } from '../support/until.ts';
import { Reader } from '../support/watch-reader.ts';

describe.skipIf(!hasEtcd)('the store over etcd, with /usr/bin/etcd', () => {
  const cleanup: (() => Promise<unknown>)[] = [];

  async function startEtcd(): Promise<TestEtcd> {
    const etcd = await TestEtcd.create();
    cleanup.push(() => etcd.remove());
    await etcd.start();
    return etcd;
  }

  async function open(...endpoints: string[]): Promise<Store> {
    const store = await openEtcdStore({ endpoints, prefix: '/t/', keepaliveMs: 2_000 });
    cleanup.push(() => store.close());
    return store;
  }

  function watch(store: Store): Reader {
    const reader = new Reader(store, '');
    cleanup.push(() => reader.stop());
    return reader;
  }

  afterEach(async () => {
    for (const each of cleanup.splice(0).reverse()) await each();
  });

  const put = (store: Store, key: string, value: unknown) =>
    store.transact({ compare: [], then: [{ put: key, value }] });

  it('passes over a value that is not JSON, and never calls it absent', async () => {
    const etcd = await startEtcd();
    const store = await open(etcd.endpoint);
    const reader = watch(store);
    await reader.next();
    await putRaw(etcd.endpoint, '/t/bad', '{half');
    await put(store, 'good', 1);
    await reader.upTo('good=1');
    expect(reader.seen).toEqual(['good=1']);
    expect((await store.list('')).entries.map((entry) => entry.key)).toEqual(['good']);
    await expect(store.get('bad')).rejects.toMatchObject({ code: 'internal', object: 'bad' });
  });

  it('needs no etcd to be opened', async () => {
    const port = await freePort();
    const store = await open(`http://127.0.0.1:${port}`);
    expect(store.state()).toBe('away');
    await expect(store.get('a')).rejects.toMatchObject({ code: 'store-away' });
    await expect(store.get('a')).rejects.toThrow(`127.0.0.1:${port}`);
  });

  it('uses the endpoint that answers, and is degraded while another does not', async () => {
    const etcd = await startEtcd();
    const store = await open(`http://127.0.0.1:${await freePort()}`, etcd.endpoint);
    expect(store.state()).toBe('degraded');
    await put(store, 'a', 1);
    const lease = await store.lease(5);
    expect(lease.lost.aborted).toBe(false);
    const reader = watch(store);
    expect(await reader.next()).toMatchObject({ kind: 'snapshot', entries: [{ key: 'a' }] });
  });

  it('begins anew with a snapshot when etcd has lost its data', async () => {
    const etcd = await startEtcd();
    const store = await open(etcd.endpoint);
    for (let i = 0; i < 5; i++) await put(store, 'a', i);
    const reader = watch(store);
    await reader.next();
    await etcd.kill();
    await etcd.wipe();
    await etcd.start();
    await until(() => reader.snapshots === 2, { what: 'a second snapshot' });
    expect(reader.events.at(-1)).toMatchObject({ kind: 'snapshot', entries: [] });
    await until(() => store.state() === 'ok', { what: 'the store to be back' });
    await put(store, 'b', 1);
    await reader.upTo('b=1');
  });

  it('delivers whole what etcd sends in fragments', async () => {
    const etcd = await startEtcd();
    const store = await open(etcd.endpoint);
    const reader = watch(store);
    await reader.next();
    await etcd.kill();
    const port = await freePort();
    await etcd.start(port);
    const writer = await open(`http://127.0.0.1:${port}`);
    const large = 'x'.repeat(200_000);
    for (let i = 0; i < 20; i++) {
      await writer.transact({ compare: [], then: [0, 1].map((part) => ({ put: `k${i}/${part}`, value: large })) });
    }
    await put(writer, 'end', 1);
    await etcd.kill();
    await etcd.start();
    await reader.upTo('end=1');
    expect(reader.snapshots).toBe(1);
    expect(reader.seen.map((each) => each.split('=')[0])).toEqual([
      ...Array.from({ length: 20 }, (_, i) => [`k${i}/0`, `k${i}/1`]).flat(),
      'end',
    ]);
  });
});
