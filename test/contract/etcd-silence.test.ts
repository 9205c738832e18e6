/** An etcd that this host's packets, or whose packets, are lost on the way: who believes what, and for how long. */
import { describe, expect, it } from 'vitest';
import { openEtcdStore } from '../../src/store/etcd.ts';
import type { Lease, Store } from '../../src/store/port.ts';
import { TestEtcd, etcdctl, hasEtcd } from '../support/etcd.ts';
import { TcpProxy, type ProxyMode } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';
import { Reader } from '../support/watch-reader.ts';

const TTL = 3;

type OnFinished = (cleanup: () => Promise<void>) => void;

/** An etcd of the test's own, reached directly or through a proxy that loses packets. */
class Stage {
  readonly etcd: TestEtcd;
  readonly proxy: TcpProxy;
  readonly onFinished: OnFinished;

  private constructor(etcd: TestEtcd, proxy: TcpProxy, onFinished: OnFinished) {
    this.etcd = etcd;
    this.proxy = proxy;
    this.onFinished = onFinished;
  }

  static async set(onFinished: OnFinished): Promise<Stage> {
    const etcd = await TestEtcd.create();
    onFinished(() => etcd.remove());
    await etcd.start();
    const proxy = await TcpProxy.open({ target: Number(new URL(etcd.endpoint).port) });
    onFinished(() => proxy.close());
    return new Stage(etcd, proxy, onFinished);
  }

  direct(): Promise<Store> {
    return this.#open(this.etcd.endpoint);
  }

  throughProxy(): Promise<Store> {
    return this.#open(`http://127.0.0.1:${this.proxy.port}`);
  }

  async #open(endpoint: string): Promise<Store> {
    const store = await openEtcdStore({ endpoints: [endpoint], prefix: '/t/', keepaliveMs: 2_000 });
    this.onFinished(() => store.close());
    return store;
  }
}

/** When the lease is lost for its holder, and when its key vanishes for others; Infinity: not yet. */
async function observe(stage: Stage, lease: Lease, holder: Store): Promise<{ lost: number; vanished: number }> {
  const other = await stage.direct();
  const times = { lost: Infinity, vanished: Infinity };
  await holder.transact({ compare: [], then: [{ put: 'live', value: 1, lease }] });
  lease.lost.addEventListener('abort', () => (times.lost = performance.now()));
  const abort = new AbortController();
  const watching = (async () => {
    for await (const event of other.watch('', abort.signal)) {
      if (event.kind === 'changes' && event.changes.some((change) => change.type === 'delete')) {
        times.vanished = performance.now();
      }
    }
  })();
  stage.onFinished(() => {
    abort.abort();
    return watching;
  });
  return times;
}

// each has a server of its own and waits most of the time
describe
  .skipIf(!hasEtcd)
  .concurrent('the store over an etcd that falls silent, with /usr/bin/etcd', { timeout: 120_000 }, () => {
    it.for<[string, ProxyMode]>([
      ['neither questions nor answers get through', 'silent'],
      ['the answers get lost', 'answers-lost'],
      ['connections are refused', 'refused'],
    ])('tells the holder of a lease before others see its keys vanish: %s', async ([, mode], { onTestFinished }) => {
      const stage = await Stage.set(onTestFinished);
      const holder = await stage.throughProxy();
      const lease = await holder.lease(TTL);
      const times = await observe(stage, lease, holder);
      const renewedOnce = performance.now() + (TTL * 1_000) / 2;
      await until(() => performance.now() > renewedOnce, { what: 'a renewal' });
      expect(lease.held()).toBe(true);
      stage.proxy.set(mode);
      await until(() => lease.lost.aborted, { deadline: 10_000, what: 'the lease to be lost' });
      expect(lease.held()).toBe(false);
      expect(times.vanished).toBe(Infinity);
      await until(() => times.vanished < Infinity, { deadline: 20_000, what: 'the key to vanish' });
      expect(times.lost).toBeLessThan(times.vanished);
    });

    it('tells the holder of a frozen etcd’s lease in time, though etcd gives it more when it goes on', async ({
      onTestFinished,
    }) => {
      const stage = await Stage.set(onTestFinished);
      const holder = await stage.direct();
      const lease = await holder.lease(TTL);
      const times = await observe(stage, lease, holder);
      await stage.etcd.freeze();
      const frozenAt = performance.now();
      await until(() => lease.lost.aborted, { deadline: 10_000, what: 'the lease to be lost' });
      expect(times.lost - frozenAt).toBeLessThanOrEqual(TTL * 1_000);
      stage.etcd.thaw();
      await until(() => times.vanished < Infinity, { deadline: 20_000, what: 'the key to vanish' });
      expect(lease.held()).toBe(false);
    });

    it('tells the holder of a lease that somebody else has ended with the next renewal', async ({ onTestFinished }) => {
      const stage = await Stage.set(onTestFinished);
      const holder = await stage.direct();
      const lease = await holder.lease(TTL);
      await etcdctl(['--endpoints', stage.etcd.endpoint, 'lease', 'revoke', BigInt(lease.id).toString(16)]);
      await until(() => lease.lost.aborted, { deadline: TTL * 1_000, what: 'the lease to be lost' });
    });

    it('ends calls at their deadline or signal while it connects', async ({ onTestFinished }) => {
      const stage = await Stage.set(onTestFinished);
      stage.proxy.set('silent');
      const store = await stage.throughProxy();
      expect(store.state()).toBe('away');
      const outcomes: string[] = [];
      const note = (what: string) => () => outcomes.push(what);
      const abort = new AbortController();
      const calls = [
        store.get('a', { signal: abort.signal, deadline: 60_000 }).catch(note('aborted')),
        store.get('a', { deadline: 300 }).catch(note('get')),
        store.list('', { deadline: 600 }).catch(note('list')),
        store.transact({ compare: [], then: [{ put: 'a', value: 1 }] }, { deadline: 900 }).catch(note('transact')),
        store.lease(5, { deadline: 1_200 }).catch(note('lease')),
      ];
      abort.abort();
      await Promise.all(calls);
      expect(outcomes).toEqual(['aborted', 'get', 'list', 'transact', 'lease']);
      const lastly = store.get('a', { deadline: 60_000 });
      await Promise.all([expect(lastly).rejects.toMatchObject({ code: 'store-away' }), store.close()]);
    });

    it('resumes a watch whose packets were lost, without loss or doubling', async ({ onTestFinished }) => {
      const stage = await Stage.set(onTestFinished);
      const other = await stage.direct();
      const store = await stage.throughProxy();
      const reader = new Reader(store, '');
      onTestFinished(() => reader.stop());
      await reader.next();
      const put = (value: number) => other.transact({ compare: [], then: [{ put: 'a', value }] });
      await put(1);
      await reader.upTo('a=1');
      for (const [round, mode] of (['silent', 'answers-lost', 'refused'] as const).entries()) {
        stage.proxy.set(mode);
        await put(10 * round + 2);
        await until(() => store.state() === 'away', { what: 'the store to be away' });
        await put(10 * round + 3);
        stage.proxy.set('open');
        await until(() => store.state() === 'ok', { what: 'the store to be back' });
        await put(10 * round + 4);
        await reader.upTo(`a=${10 * round + 4}`);
      }
      expect(reader.seen).toEqual([1, 2, 3, 4, 12, 13, 14, 22, 23, 24].map((value) => `a=${value}`));
      expect(reader.snapshots).toBe(1);
    });
  });

describe.skipIf(!hasEtcd)('a process that stood still itself, with /usr/bin/etcd', () => {
  it('tells the holder by the clock that a lease is lost', async ({ onTestFinished }) => {
    const stage = await Stage.set(onTestFinished);
    const holder = await stage.direct();
    const lease = await holder.lease(2);
    const end = performance.now() + 2_000;
    // no timer fires meanwhile, as in a process that was stopped
    while (performance.now() < end);
    expect(lease.held()).toBe(false);
  });
});
