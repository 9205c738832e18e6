/**
 * A randomised history of writers and watchers on three members of etcd that are killed, frozen, cut off, compacted and
 * deposed, checked against a model. `WEFT_SEED` repeats one; long with `npm run test:long`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openEtcdStore } from '../../src/store/etcd.ts';
import type { Store } from '../../src/store/port.ts';
import { hasEtcd } from '../support/etcd.ts';
import { EtcdCluster, type ClusterMember } from '../support/etcd-cluster.ts';
import { Random } from '../support/random.ts';
import { until } from '../support/until.ts';
import { Watcher, Writer, seenOf } from './history-actors.ts';
import { faultsOf, type History } from './history-model.ts';

const isLong = process.env.WEFT_LONG !== undefined;
/** milliseconds; a busy machine, or faults that let nobody write for long, make it longer, up to the limit */
const DURATION = isLong ? 120_000 : 8_000;
const LIMIT = DURATION + 40_000;
/** less than this, and the check is of little */
const ENOUGH = { commits: 50, told: 10 };
const WRITERS = 3;
const WATCHERS = 3;

function seeds(): number[] {
  if (process.env.WEFT_SEED !== undefined) return [Number(process.env.WEFT_SEED)];
  const first = Math.floor(Math.random() * 2 ** 31);
  return isLong ? [first, first + 1, first + 2, first + 3, first + 4] : [first];
}

describe.skipIf(!hasEtcd)('histories, with /usr/bin/etcd', () => {
  let cluster: EtcdCluster;

  beforeAll(async () => {
    cluster = await EtcdCluster.start(3);
  });
  afterAll(() => cluster.remove());

  it.each(seeds())(
    'of random writers, watchers and faults are those of one store (seed %i)',
    { timeout: DURATION + 120_000 },
    async (seed) => {
      const run = new Run(cluster, seed);
      const history = await run.record();
      expect(faultsOf(history)).toEqual([]);
      expect(committed(history.transactions)).toBeGreaterThan(ENOUGH.commits);
      for (const { told } of history.watches) expect(told.length).toBeGreaterThan(ENOUGH.told);
    },
  );
});

class Run {
  readonly #cluster: EtcdCluster;
  readonly #seed: number;
  readonly #random: Random;
  readonly #stores: Store[] = [];

  constructor(cluster: EtcdCluster, seed: number) {
    this.#cluster = cluster;
    this.#seed = seed;
    this.#random = new Random(seed);
  }

  async record(): Promise<History> {
    const [writing, watching] = [new AbortController(), new AbortController()];
    const writers = await Promise.all(
      range(WRITERS).map(async (n) => new Writer(await this.#open(n), `w${n}`, this.#chance())),
    );
    const watchers = await Promise.all(
      range(WATCHERS).map(async (n) => new Watcher(await this.#open(n), `watch ${n}`, this.#chance())),
    );
    const working = [
      ...writers.map((writer) => writer.run(writing.signal)),
      ...watchers.map((watcher) => watcher.run(watching.signal)),
    ];
    try {
      await this.#disturb(
        () =>
          committed(writers.flatMap(({ transactions }) => transactions)) > ENOUGH.commits &&
          watchers.every(({ told }) => told.length > ENOUGH.told),
      );
      await this.#mend();
      writing.abort();
      await Promise.all(working.slice(0, WRITERS));
      const { entries, revision } = await this.#list();
      await until(() => watchers.every((watcher) => watcher.revision >= revision), {
        deadline: 30_000,
        what: `all watches to reach revision ${revision}`,
      });
      return {
        transactions: writers.flatMap((writer) => writer.transactions),
        reads: writers.flatMap((writer) => writer.reads),
        watches: watchers.map(({ name, told }) => ({ name, told })),
        last: { entries: entries.map(seenOf), revision },
      };
    } finally {
      writing.abort();
      watching.abort();
      await Promise.allSettled(working);
      await Promise.all(this.#stores.map((store) => store.close()));
    }
  }

  /** Each of its own, so that what one draws does not depend on when another does. */
  #chance(): Random {
    return new Random(this.#random.integer(2 ** 31));
  }

  async #open(first: number): Promise<Store> {
    const { endpoints, tls } = this.#cluster;
    const at = first % endpoints.length;
    const store = await openEtcdStore({
      endpoints: [...endpoints.slice(at), ...endpoints.slice(0, at)],
      tls,
      prefix: `/history/${this.#seed}/`,
      keepaliveMs: 2_000,
    });
    this.#stores.push(store);
    return store;
  }

  async #list() {
    const store = this.#stores[0]!;
    await until(() => store.state() === 'ok', { deadline: 30_000, what: 'etcd to be whole again' });
    return store.list('', { deadline: 10_000 });
  }

  async #disturb(isEnough: () => boolean): Promise<void> {
    const random = this.#chance();
    const begun = performance.now();
    const passed = () => performance.now() - begun;
    while (passed() < DURATION || (passed() < LIMIT && !isEnough())) {
      await sleep(random.between(200, 800));
      await this.#fault(random);
    }
  }

  async #fault(random: Random): Promise<void> {
    const member = random.pick(this.#cluster.members);
    const lasting = random.between(200, 3_500);
    const cluster = this.#cluster;
    await random.pick([
      () => this.#kill(member, lasting),
      () => this.#freeze([member], lasting),
      () => this.#freeze(cluster.members.slice(random.integer(2)), lasting),
      () => this.#cut(() => cluster.cutFromPeers(member), lasting),
      () => this.#cut(() => member.clients.set(random.pick(['silent', 'answers-lost', 'refused'])), lasting),
      () => cluster.compact().catch(() => undefined),
      () => cluster.moveLeader(member).catch(() => undefined),
    ])();
  }

  async #kill(member: ClusterMember, lasting: number): Promise<void> {
    await member.kill();
    await sleep(lasting);
    this.#cluster.launch(member);
  }

  async #freeze(members: ClusterMember[], lasting: number): Promise<void> {
    await Promise.all(members.map((member) => member.freeze()));
    await sleep(lasting);
    for (const member of members) member.thaw();
  }

  async #cut(cut: () => void, lasting: number): Promise<void> {
    cut();
    await sleep(lasting);
    this.#cluster.heal();
  }

  async #mend(): Promise<void> {
    this.#cluster.thawAll();
    this.#cluster.heal();
    await this.#cluster.startAll();
  }
}

function committed(transactions: History['transactions']): number {
  return transactions.filter(({ outcome }) => outcome === 'committed').length;
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n);
}
