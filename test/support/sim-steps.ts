/** What happens to a simulated cluster, one step at a time: users, engines, faults. */
import type { EndpointView } from '../../src/control/port.ts';
import { toWeftError } from '../../src/model/errors.ts';
import type { SimDaemon } from './sim-daemon.ts';
import type { SimHost } from './sim-host.ts';
import type { Live } from './sim-judge.ts';
import { ETCD } from './sim-network.ts';
import type { SimWorld } from './sim-world.ts';

/** Refusals that a caller may meet while the cluster is in trouble or a pool full. */
const EXPECTED = new Set([
  'pool-exhausted',
  'address-taken',
  'address-outside',
  'store-away',
  'store-conflict',
  'daemon-away',
  'node-fenced',
  'network-not-found',
  'network-in-use',
  'tenant-not-found',
  'endpoint-not-found',
  'not-ready',
  'not-supported',
  'node-live',
  'node-not-found',
  'pool-not-found',
  'hold-lost',
  'unauthenticated',
  'node-forgotten',
  'subnet-overlap',
  'name-taken',
]);

export interface SimNetworkPlan {
  ref: string;
  cidr: string;
  /** id, once it was made */
  id: string;
  leaving: boolean;
}

export class Steps {
  readonly #world: SimWorld;
  readonly #grave: boolean;
  readonly networks: SimNetworkPlan[] = [];
  #containers = 0;
  /** calls that were begun and have not been answered */
  underWay = 0;
  /** two hosts with one identity */
  copied: { host: SimHost; copy: SimHost } | undefined;
  /** what some node has to be forgotten for */
  troubled = false;
  /** answered attaches, for what a simulation has tried */
  attached = 0;

  /** `grave`: also what leaves a node that has to be forgotten. */
  constructor(world: SimWorld, grave: boolean) {
    this.#world = world;
    this.#grave = grave;
  }

  /** One thing, begun and not waited for. */
  step(): void {
    const { random } = this.#world;
    const kinds = this.#grave ? GRAVE : KINDS;
    let chance = random.integer(kinds.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, name] of kinds) {
      chance -= weight;
      if (chance < 0) return this[name]();
    }
  }

  attach(): void {
    const daemon = this.#someDaemon();
    const network = this.#someNetwork();
    if (daemon && network) this.attachOn(daemon, network, undefined);
  }

  attachWish(): void {
    const daemon = this.#someDaemon();
    const network = this.#someNetwork();
    if (daemon && network) this.attachOn(daemon, network, this.#someAddress(network.cidr));
  }

  detach(): void {
    const live = this.#someLive();
    if (live?.host.daemon?.control) this.detachOn(live.host.daemon, live.endpoint);
  }

  crash(): void {
    const host = this.#someHost();
    this.#world.note(`${host.name} daemon killed`);
    host.crash();
    if (this.#world.random.integer(3) > 0) host.start();
  }

  powerCycle(): void {
    const host = this.#someHost();
    this.#world.note(`${host.name} power cycle`);
    host.powerCycle(this.#world.random);
    if (this.#world.random.integer(3) > 0) host.start();
  }

  start(): void {
    const stopped = this.#world.hosts.filter(({ daemon }) => !daemon || daemon.failure !== undefined);
    if (stopped.length === 0) return;
    const host = this.#world.random.pick(stopped);
    this.#world.note(`${host.name} start`);
    host.crash();
    host.start();
  }

  cutFromEtcd(): void {
    const host = this.#someHost();
    this.#world.note(`${host.name} cut from etcd`);
    this.#world.cutFromEtcd(host);
  }

  cutPeers(): void {
    const [a, b] = [this.#someHost(), this.#someHost()];
    if (a === b) return;
    this.#world.note(`${a.name} cut from ${b.name}`);
    this.#world.network.cut(a.name, b.name);
  }

  heal(): void {
    const { network, random } = this.#world;
    const cuts = network.cuts();
    if (cuts.length === 0) return;
    const [a, b] = random.pick(cuts);
    this.#world.note(`${a} and ${b} meet again`);
    network.heal(a, b);
  }

  etcdOutage(): void {
    if (this.#isCopied()) return;
    this.#world.note('etcd is away');
    for (const host of this.#world.hosts) this.#world.cutFromEtcd(host);
  }

  etcdReturns(): void {
    this.#world.note('etcd is back');
    for (const host of this.#world.hosts) this.#world.network.heal(host.name, ETCD);
  }

  /** A backup of a disk is taken, or an old one put back, by somebody who means well. */
  saveDisk(): void {
    const host = this.#someHost();
    host.savedDisk = host.disk.copy();
  }

  restoreDisk(): void {
    const { random, hosts, judge } = this.#world;
    const saved = hosts.filter(({ savedDisk }) => savedDisk && !this.#isCopied());
    if (saved.length === 0) return;
    const host = random.pick(saved);
    this.#world.note(`${host.name} runs from an old copy of its disk`);
    host.restoreDisk();
    judge.diskRestored(host);
    this.troubled = true;
  }

  /** The same disk on two machines at once. The first goes on undisturbed: else nobody could tell which one is right. */
  clone(): void {
    const host = this.#someHost();
    const known = this.#world.judge.isLive(host.nodeId) && this.#world.network.connected(host.name, ETCD);
    if (this.#isCopied() || !known || !host.daemon?.deps?.ownership.standing.isProven()) return;
    const copy = this.#world.addHost(host.nodeId);
    copy.runFrom(host);
    this.#world.note(`${copy.name} runs from a copy of the disk of ${host.name}`);
    copy.start();
    this.copied = { host, copy };
    this.troubled = true;
  }

  forget(): void {
    const daemon = this.#someDaemon();
    const host = this.#someHost();
    if (!daemon?.control || this.#isCopied() || daemon.host === host) return;
    const { control } = daemon;
    this.troubled = true;
    this.#call(daemon, `forget ${host.name}`, async () => {
      await control.forgetNode({ ref: host.nodeId, force: true });
      return 'done';
    });
  }

  cloneEnds(): void {
    if (!this.copied) return;
    const { copy } = this.copied;
    this.#world.note(`${copy.name} is switched off`);
    this.#world.judge.allEnded((live) => live.host === copy);
    this.#world.removeHost(copy);
    this.copied = undefined;
  }

  kernelStalls(): void {
    const { hosts, random } = this.#world;
    const host = random.pick(hosts);
    host.daemon?.deps?.reconciler.applied();
    host.stalled = !host.stalled;
    this.#world.note(`${host.name} kernel ${host.stalled ? 'follows no more' : 'follows again'}`);
  }

  compact(): void {
    this.#world.etcd.compact();
  }

  clockJump(): void {
    const host = this.#someHost();
    const by = Math.round(this.#world.random.between(-7_200_000, 7_200_000));
    this.#world.note(`${host.name} wall clock jumps by ${by} ms`);
    host.jumpClock(by);
  }

  storm(): void {
    const { random, network } = this.#world;
    network.weather =
      random.integer(2) === 0
        ? { loss: 0, lateness: 0, late: 0 }
        : { loss: random.between(0, 0.15), lateness: random.between(0, 0.3), late: 1 + random.integer(3_000) };
    this.#world.note(`weather: ${JSON.stringify(network.weather)}`);
  }

  attachOn(daemon: SimDaemon, network: SimNetworkPlan, wanted: string | undefined): void {
    const { control, deps, host } = daemon;
    if (!control || !deps) return;
    const container = `c${++this.#containers}`;
    const unproven = !deps.ownership.standing.isProven();
    const request = {
      network: network.ref,
      netns: `/run/${container}`,
      ...(wanted === undefined ? {} : { addresses: [wanted] }),
    };
    this.#call(daemon, `attach ${container}${wanted === undefined ? '' : ` ${wanted}`}`, async () => {
      const view = await control.attach(request);
      if (!daemon.alive) return '';
      this.attached++;
      this.#world.judge.attached(daemon, liveOf(view, host, network), { wanted, unproven });
      return view.addresses.join();
    });
  }

  detachOn(daemon: SimDaemon, endpoint: string): void {
    const { control } = daemon;
    if (!control) return;
    const live = this.#world.judge.ended(endpoint);
    this.#call(daemon, `detach ${live?.addresses.join() ?? endpoint}`, async () => {
      await control.detach(endpoint);
      return 'done';
    });
  }

  #call(daemon: SimDaemon, what: string, work: () => Promise<string>): void {
    const { world, name } = { world: this.#world, name: daemon.host.name };
    world.note(`${name} ${what}`);
    this.underWay++;
    work().then(
      (answer) => {
        this.underWay--;
        if (daemon.alive) world.note(`${name} ${what}: ${answer}`);
      },
      (error: unknown) => {
        this.underWay--;
        if (!daemon.alive) return;
        const { code, message } = toWeftError(error);
        world.note(`${name} ${what}: ${code}: ${message}`);
        if (!EXPECTED.has(code)) world.judge.violated(`${name} ${what}: ${(error as Error).stack ?? message}`);
      },
    );
  }

  #isCopied(): boolean {
    return this.copied !== undefined;
  }

  /** To be disturbed. */
  #someHost(): SimHost {
    const { hosts, random } = this.#world;
    return random.pick(hosts.filter((host) => host !== this.copied?.host));
  }

  #someDaemon(): SimDaemon | undefined {
    const serving = this.#world.hosts.flatMap(({ daemon }) =>
      daemon?.control && daemon.failure === undefined ? [daemon] : [],
    );
    return serving.length === 0 ? undefined : this.#world.random.pick(serving);
  }

  #someNetwork(): SimNetworkPlan | undefined {
    return this.networks.length === 0 ? undefined : this.#world.random.pick(this.networks);
  }

  #someLive(): Live | undefined {
    const all = [...this.#world.judge.live.values()];
    return all.length === 0 ? undefined : this.#world.random.pick(all);
  }

  #someAddress(cidr: string): string {
    const [base = '', prefix = ''] = cidr.split('/');
    const [a, b, c = 0, d = 0] = base.split('.').map(Number);
    const offset = 1 + this.#world.random.integer(Math.min(64, 2 ** (32 - Number(prefix)) - 2));
    return [a, b, c + ((d + offset) >> 8), (d + offset) & 255].join('.');
  }
}

type Kind = {
  [K in keyof Steps]: Steps[K] extends () => void ? K : never;
}[keyof Steps];

/** How often each comes. */
const KINDS: readonly [number, Exclude<Kind, 'step'>][] = [
  [300, 'attach'],
  [60, 'attachWish'],
  [260, 'detach'],
  [20, 'crash'],
  [20, 'powerCycle'],
  [60, 'start'],
  [15, 'cutFromEtcd'],
  [15, 'cutPeers'],
  [50, 'heal'],
  [4, 'etcdOutage'],
  [20, 'etcdReturns'],
  [4, 'compact'],
  [10, 'clockJump'],
  [10, 'storm'],
  [10, 'kernelStalls'],
];
const GRAVE: typeof KINDS = [
  ...KINDS,
  [30, 'saveDisk'],
  [20, 'restoreDisk'],
  [10, 'clone'],
  [15, 'cloneEnds'],
  [6, 'forget'],
];

export function liveOf(view: EndpointView, host: SimHost, network: SimNetworkPlan): Live {
  const addresses = view.addresses.map((cidr) => cidr.split('/')[0] ?? '');
  return { endpoint: view.id, network: network.id, addresses, host, node: host.nodeId };
}
