/** What breaks: hosts, wires, clocks, disks. */
import type { Calls } from './sim-calls.ts';
import type { SimHost } from './sim-host.ts';
import { CALM, ETCD } from './sim-network.ts';
import type { SimWorld } from './sim-world.ts';

export class Faults {
  readonly #calls: Calls;
  readonly #world: SimWorld;
  /** a second host with the identity of another */
  #copy: SimHost | undefined;

  constructor(calls: Calls) {
    this.#calls = calls;
    this.#world = calls.world;
  }

  crash(): void {
    const host = this.#calls.someHost();
    this.#world.note(`${host.name} daemon killed`);
    host.crash();
    if (this.#world.random.integer(3) > 0) host.start();
  }

  powerCycle(): void {
    const host = this.#calls.someHost();
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
    const host = this.#calls.someHost();
    this.#world.note(`${host.name} cut from etcd`);
    this.#world.cutFromEtcd(host);
  }

  cutPeers(): void {
    const [a, b] = [this.#calls.someHost(), this.#calls.someHost()];
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
    if (this.#copy) return;
    this.#world.note('etcd is away');
    for (const host of this.#world.hosts) this.#world.cutFromEtcd(host);
  }

  etcdReturns(): void {
    this.#world.note('etcd is back');
    for (const host of this.#world.hosts) this.#world.network.heal(host.name, ETCD);
  }

  compact(): void {
    this.#world.etcd.compact();
  }

  clockJump(): void {
    const host = this.#calls.someHost();
    const by = Math.round(this.#world.random.between(-7_200_000, 7_200_000));
    this.#world.note(`${host.name} wall clock jumps by ${by} ms`);
    host.jumpClock(by);
  }

  storm(): void {
    const { random, network } = this.#world;
    network.weather =
      random.integer(2) === 0
        ? CALM
        : {
            ...{ loss: random.between(0, 0.15), lateness: random.between(0, 0.3), late: 1 + random.integer(3_000) },
            twice: random.between(0, 0.2),
          };
    this.#world.note(`weather: ${JSON.stringify(network.weather)}`);
  }

  kernelStalls(): void {
    const { hosts, random } = this.#world;
    const host = random.pick(hosts);
    host.daemon?.deps?.reconciler.applied();
    host.stalled = !host.stalled;
    this.#world.note(`${host.name} kernel ${host.stalled ? 'follows no more' : 'follows again'}`);
  }

  /** A backup of a disk is taken, or an old one put back, by somebody who means well. */
  saveDisk(): void {
    const host = this.#calls.someHost();
    host.savedDisk = host.disk.copy();
  }

  restoreDisk(): void {
    const { random, hosts, judge } = this.#world;
    const saved = hosts.filter(({ savedDisk }) => savedDisk && !this.#copy);
    if (saved.length === 0) return;
    const host = random.pick(saved);
    this.#world.note(`${host.name} runs from an old copy of its disk`);
    host.restoreDisk();
    judge.diskRestored(host);
  }

  /** The same disk on two machines at once. The first goes on undisturbed: else nobody could tell which one is right. */
  clone(): void {
    const host = this.#calls.someHost();
    const known = this.#world.judge.isLive(host.nodeId) && this.#world.network.connected(host.name, ETCD);
    if (this.#copy || !known || !host.daemon?.deps?.ownership.standing.isProven()) return;
    const copy = this.#world.addHost(host.nodeId);
    copy.runFrom(host);
    this.#world.note(`${copy.name} runs from a copy of the disk of ${host.name}`);
    copy.start();
    this.#copy = copy;
    this.#calls.spared = host;
  }

  cloneEnds(): void {
    const copy = this.#copy;
    if (!copy) return;
    this.#world.note(`${copy.name} is switched off`);
    this.#world.judge.allEnded((live) => live.host === copy);
    this.#world.removeHost(copy);
    this.#copy = this.#calls.spared = undefined;
  }
}
