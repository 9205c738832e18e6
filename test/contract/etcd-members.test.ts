/** One member of three fails while the others go on. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openEtcdStore } from '../../src/store/etcd.ts';
import type { RemoteStore } from '../../src/store/etcd.ts';
import type { Store } from '../../src/store/port.ts';
import { freePort, hasEtcd } from '../support/etcd.ts';
import { EtcdCluster, type ClusterMember } from '../support/etcd-cluster.ts';
import { until } from '../support/until.ts';
import { Reader } from '../support/watch-reader.ts';

/** Writes 0, 1, 2, ... to its key by compare-and-swap until it is stopped; knows which were carried out. */
class Writer {
  readonly #store: Store;
  readonly #key: string;
  #stopped = false;
  #value = -1;
  #revision = 0;
  readonly #writing: Promise<void>;

  constructor(store: Store, key: string) {
    this.#store = store;
    this.#key = key;
    this.#writing = this.#write();
  }

  /** the last value known to be written */
  get value(): number {
    return this.#value;
  }

  async stop(): Promise<number> {
    this.#stopped = true;
    await this.#writing;
    return this.#value;
  }

  /** Goes on by `count` writes. */
  async advance(count: number): Promise<void> {
    const goal = this.#value + count;
    await until(() => this.#value >= goal, { deadline: 20_000, what: `${count} writes` });
  }

  async #write(): Promise<void> {
    while (!this.#stopped) {
      const compare = [{ key: this.#key, revision: this.#revision }];
      const then = [{ put: this.#key, value: this.#value + 1 }];
      try {
        const { succeeded, revision } = await this.#store.transact({ compare, then }, { deadline: 1_000 });
        if (!succeeded) await this.#look();
        else [this.#value, this.#revision] = [this.#value + 1, revision];
      } catch {
        await this.#look();
      }
    }
  }

  /** What became of a write whose outcome is not known. */
  async #look(): Promise<void> {
    const { entry } = await this.#store.get(this.#key, { deadline: 1_000 }).catch(() => ({ entry: undefined }));
    if (entry) [this.#value, this.#revision] = [entry.value as number, entry.revision];
  }
}

/** By how many milliseconds all in all this process gets its turn late. */
class Lag {
  #late = 0;
  #stopped = false;
  readonly #measuring = this.#measure();

  async stop(): Promise<number> {
    this.#stopped = true;
    await this.#measuring;
    return this.#late;
  }

  async #measure(): Promise<void> {
    while (!this.#stopped) {
      const begun = performance.now();
      await sleep(20);
      this.#late += performance.now() - begun - 20;
    }
  }
}

describe.skipIf(!hasEtcd)('the store over three members of etcd', () => {
  let cluster: EtcdCluster;
  let count = 0;
  const cleanup: (() => Promise<unknown>)[] = [];

  /** Prefers the first of the endpoints. */
  async function open(...members: ClusterMember[]): Promise<RemoteStore> {
    const endpoints = members.map((member) => member.endpoint);
    const store = await openEtcdStore({ endpoints, tls: cluster.tls, prefix: `/m/${count}/`, keepaliveMs: 2_000 });
    cleanup.push(() => store.close());
    return store;
  }

  function watch(store: Store): Reader {
    const reader = new Reader(store, '');
    cleanup.push(() => reader.stop());
    return reader;
  }

  function others(than: ClusterMember): ClusterMember[] {
    return cluster.members.filter((member) => member !== than);
  }

  const isIn = (store: Store, state: string) =>
    until(() => store.state() === state, { deadline: 20_000, what: `the store to be ${state}` });

  /** a=1, though a connection may have died under the first try, which leaves its outcome unknown. */
  async function writeAtLast(store: Store): Promise<void> {
    const write = () =>
      store.transact({ compare: [], then: [{ put: 'a', value: 1 }] }).then(
        () => true,
        () => false,
      );
    await until(write, { deadline: 20_000, what: 'a write to be carried out' });
  }

  beforeAll(async () => {
    cluster = await EtcdCluster.start(3);
  });
  afterEach(async () => {
    for (const each of cleanup.splice(0).reverse()) await each();
    cluster.thawAll();
    cluster.heal();
    await cluster.startAll();
    count += 1;
  });
  afterAll(() => cluster.remove());

  it.each<[string, (member: ClusterMember) => Promise<void> | void, (member: ClusterMember) => Promise<void> | void]>([
    [
      'was killed',
      (member) => member.kill(),
      (member) => {
        cluster.launch(member);
      },
    ],
    ['stands still', (member) => member.freeze(), (member) => member.thaw()],
    ['is cut off from its peers, not from its clients', (member) => cluster.cutFromPeers(member), () => cluster.heal()],
    ['is cut off from its clients', (member) => member.clients.set('silent'), (member) => member.clients.set('open')],
  ])('goes on with writing, watching and its lease when the member it uses %s', async (_, fail, mend) => {
    const member = await cluster.leader();
    const store = await open(member, ...others(member));
    await isIn(store, 'ok');
    const reader = watch(store);
    await reader.next();
    const lease = await store.lease(8);
    const writer = new Writer(store, 'n');
    cleanup.push(() => writer.stop());
    await writer.advance(20);

    const failedAt = performance.now();
    const lag = new Lag();
    await fail(member);
    await isIn(store, 'degraded');
    const noticed = performance.now() - failedAt;
    const late = await lag.stop();
    await writer.advance(20);
    const meanwhile = writer.value;
    await until(() => reader.seen.includes(`n=${meanwhile}`), { what: 'the watch to go on elsewhere' });
    await mend(member);
    await isIn(store, 'ok');
    await writer.advance(20);
    const last = await writer.stop();
    await reader.upTo(`n=${last}`);

    expect(reader.seen).toEqual(Array.from({ length: last + 1 }, (_each, n) => `n=${n}`));
    expect(reader.snapshots).toBe(1);
    expect(lease.lost.aborted).toBe(false);
    expect(store.restored()).toBeUndefined();
    // 1 s to the next probe, 1.5 s for its answer; what this process had to wait for a processor is not the store's
    expect(noticed).toBeLessThan(3_000 + 2 * late);
  });

  it('is away with a member that has lost its majority, and back with it', async () => {
    const [member, ...majority] = cluster.members as [ClusterMember, ClusterMember, ClusterMember];
    const store = await open(member, ...majority);
    await store.transact({ compare: [], then: [{ put: 'a', value: 1 }] });
    await Promise.all(majority.map((other) => other.freeze()));
    await isIn(store, 'away');
    await expect(store.get('a', { deadline: 500 })).rejects.toMatchObject({ code: 'store-away' });
    for (const other of majority) other.thaw();
    await isIn(store, 'ok');
    expect((await store.get('a')).entry?.value).toBe(1);
  });

  it('learns the members it was not told of, and reaches them when the told one dies', async () => {
    const [told] = cluster.members as [ClusterMember];
    const store = await open(told);
    await isIn(store, 'ok');
    const reader = watch(store);
    await reader.next();
    await told.kill();
    await isIn(store, 'degraded');
    await writeAtLast(store);
    await reader.upTo('a=1');
  });

  it('is reached where another node says that it is, which need not be where the settings do', async () => {
    const nowhere = `https://127.0.0.1:${await freePort()}`;
    const options = { tls: cluster.tls, prefix: `/m/${count}/`, keepaliveMs: 2_000 };
    const store = await openEtcdStore({ endpoints: [nowhere], ...options });
    cleanup.push(() => store.close());
    expect(store.state()).toBe('away');
    const reader = watch(store);
    store.reachAt([cluster.members[0]!.endpoint]);
    await isIn(store, 'ok');
    await writeAtLast(store);
    await reader.upTo('a=1');
  });

  it('is not looked for where another node says while it answers where it was', async () => {
    let asked = 0;
    const elsewhere = createServer((socket) => {
      asked++;
      socket.destroy();
    }).listen(0, '127.0.0.1');
    await once(elsewhere, 'listening');
    cleanup.push(() => new Promise((resolve) => elsewhere.close(resolve)));
    const store = await open(cluster.members[0]!);
    await isIn(store, 'ok');
    store.reachAt([`https://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`]);
    for (let i = 0; i < 20; i++) await writeAtLast(store);
    expect(asked).toBe(0);
  });

  it('uses a member that is added and leaves one that is removed, without a restart', async () => {
    const store = await open(cluster.members[0]!);
    await isIn(store, 'ok');
    const reader = watch(store);
    await reader.next();
    const added = await cluster.add();
    const removed = cluster.members[0]!;
    // until the list has it, its death is nobody's loss
    await until(() => added.clients.connections > 0, { deadline: 15_000, what: 'the added member to be used' });
    await isIn(store, 'ok');
    await cluster.removeMember(removed);
    await writeAtLast(store);
    await reader.upTo('a=1');
    // three of three again: the one removed is not missed, though it is what was configured
    await isIn(store, 'ok');
    expect(reader.snapshots).toBe(1);
  });
});
