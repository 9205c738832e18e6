/** One simulation from a seed: a cluster comes up, things happen to it, it is left alone, and then it must be in order. */
import { describeCause } from '../../src/model/errors.ts';
import { prefixes } from '../../src/model/keys.ts';
import type { Bug } from './sim-bugs.ts';
import { Violation } from './sim-judge.ts';
import { CALM } from './sim-network.ts';
import { Steps } from './sim-steps.ts';
import { SimWorld } from './sim-world.ts';

export interface SimOptions {
  seed: number;
  steps: number;
  nodes: number;
  /** with restored disks and clones */
  grave?: boolean;
  bug?: Bug;
}

export interface SimResult {
  failure: string | undefined;
  trace: string;
  attached: number;
}

export async function simulate(options: SimOptions): Promise<SimResult> {
  const world = new SimWorld(options);
  const restore = world.clock.install(world.random);
  const run = new Simulation(world, options);
  try {
    await run.all();
    return { failure: undefined, trace: '', attached: run.steps.attached };
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    return { failure: error.message, trace: world.trace(), attached: run.steps.attached };
  } finally {
    for (const host of world.hosts) host.crash();
    restore();
  }
}

class Simulation {
  readonly #world: SimWorld;
  readonly #options: SimOptions;
  readonly steps: Steps;

  constructor(world: SimWorld, options: SimOptions) {
    this.#world = world;
    this.#options = options;
    this.steps = new Steps(world, options.grave ?? false);
  }

  async all(): Promise<void> {
    await this.#begin();
    for (let i = 0; i < this.#options.steps; i++) {
      this.steps.step();
      await this.#world.clock.drain();
      await this.#pass(this.#someTime());
    }
    await this.#heal();
    if (this.steps.troubled) return;
    await this.#untilQuiet();
    await this.#oneTruth();
    await this.#empty();
    this.#assertNothingLeft();
  }

  async #begin(): Promise<void> {
    const { hosts, random, clock } = this.#world;
    for (const host of hosts) host.start();
    await this.#until('all nodes serve', () =>
      hosts.every(({ daemon }) => daemon?.deps?.ownership.standing.isProven()),
    );
    const control = hosts[0]?.daemon?.control;
    if (!control) throw new Violation('nobody serves');
    const count = 1 + random.integer(2);
    for (let i = 0; i < count; i++) {
      const plan = { ref: `default/net${i}`, cidr: `10.${i}.0.0/${random.pick(PREFIXES)}`, id: '', leaving: false };
      const making = control.createNetwork({ tenant: 'default', name: `net${i}`, subnets: [{ cidr: plan.cidr }] });
      let made = false;
      void making.then(({ id }) => {
        plan.id = id;
        made = true;
      });
      await this.#until('a network is made', () => made);
      this.steps.networks.push(plan);
    }
    await clock.advance(20);
  }

  /** Mostly a moment; at times long enough for leases and rests to end. */
  #someTime(): number {
    const { random } = this.#world;
    const chance = random.next();
    if (chance < 0.6) return random.integer(4);
    if (chance < 0.85) return random.integer(30);
    if (chance < 0.97) return random.integer(400);
    return 1_000 + random.integer(45_000);
  }

  async #pass(milliseconds: number): Promise<void> {
    await this.#world.clock.advance(milliseconds);
    this.#check();
  }

  #check(): void {
    const { judge } = this.#world;
    judge.step();
    if (judge.found) throw judge.found;
  }

  async #heal(): Promise<void> {
    const { network, hosts } = this.#world;
    this.#world.note('--- all is well again');
    network.weather = CALM;
    for (const [a, b] of network.cuts()) network.heal(a, b);
    this.steps.cloneEnds();
    for (const host of hosts) host.stalled = false;
    for (const host of hosts)
      if (!host.daemon || host.daemon.failure !== undefined) {
        host.crash();
        host.start();
      }
    if (this.steps.troubled) return this.#pass(30_000);
    await this.#until('all nodes own what they say', () =>
      hosts.every(({ daemon }) => daemon?.deps?.ownership.standing.isProven()),
    );
  }

  async #untilQuiet(): Promise<void> {
    await this.#until('all that nodes own is published', () =>
      this.#world.hosts.every(({ daemon }) => daemon?.deps?.ownership.publisher.idle === true),
    );
    await this.#pass(6_000);
  }

  /** Something may be on its way at any moment; sooner or later nothing is. */
  async #oneTruth(): Promise<void> {
    for (let tries = 0; ; tries++) {
      try {
        this.#assertOneTruth();
        return;
      } catch (error) {
        if (tries === 20) throw error;
        await this.#pass(300);
      }
    }
  }

  /** etcd holds what the journals hold, and all nodes see the same. */
  #assertOneTruth(): void {
    const { etcd, hosts } = this.#world;
    const stored = new Map(etcd.list('').map(({ key, value }) => [key, JSON.stringify(value)]));
    const owned = new Map<string, string>();
    for (const { daemon, name } of hosts) {
      if (!daemon?.deps) throw new Violation(`${name} does not serve at the end: ${String(daemon?.failure)}`);
      for (const prefix of [prefixes.addresses, prefixes.endpoints]) {
        for (const [key, value] of daemon.deps.ownership.records.entries(prefix)) owned.set(key, JSON.stringify(value));
      }
    }
    for (const [key, value] of owned) {
      if (stored.get(key) !== value)
        throw new Violation(`${key} is ${value} in a journal and ${stored.get(key)} in etcd`);
    }
    for (const key of stored.keys()) {
      if ((key.startsWith(prefixes.addresses) || key.startsWith(prefixes.endpoints)) && !owned.has(key))
        throw new Violation(`${key} is in etcd and in no journal`);
    }
    for (const { daemon, name } of hosts) {
      const view = daemon?.deps?.view;
      const seen = view?.keys('') ?? [];
      const differ = [
        ...seen.filter((key) => !stored.has(key)),
        ...[...stored.keys()].filter((key) => !seen.includes(key)),
      ];
      if (differ.length > 0) throw new Violation(`${name} and etcd differ over ${differ.join(', ')}`);
      for (const key of seen) {
        if (JSON.stringify(view?.value(key)) !== stored.get(key))
          throw new Violation(`${name} sees another ${key} than etcd has`);
      }
    }
  }

  /** Users end what there is, also what they never got an answer for. */
  async #empty(): Promise<void> {
    this.#world.note('--- everything is detached');
    for (let tries = 0; tries < 3; tries++) {
      for (const { daemon, nodeId } of this.#world.hosts) {
        for (const [, value] of [...(daemon?.deps?.ownership.records.entries(prefixes.endpoints) ?? [])]) {
          const { id, node } = value as { id: string; node: string };
          if (daemon && node === nodeId) this.steps.detachOn(daemon, id);
        }
      }
      await this.#pass(1_000);
    }
    await this.#until('the last address has rested', () => {
      return this.#world.etcd.list(prefixes.addresses).length === 0;
    });
    await this.#pass(6_000);
  }

  #assertNothingLeft(): void {
    const { etcd, judge } = this.#world;
    if (judge.live.size > 0)
      throw new Violation(`${judge.live.size} endpoints are left: ${[...judge.live.keys()].join()}`);
    for (const prefix of [prefixes.addresses, prefixes.endpoints]) {
      const left = etcd.list(prefix).map(({ key, value }) => `${key} ${JSON.stringify(value)}`);
      if (left.length > 0) throw new Violation(`left over: ${left.join('; ')}`);
    }
  }

  #standings(): string {
    return this.#world.hosts
      .map(({ name, daemon }) => {
        const standing = daemon?.deps?.ownership.standing;
        return `${name} ${standing ? `${standing.state} ${standing.reason}` : describeCause(daemon?.failure ?? 'begins')}`;
      })
      .join('; ');
  }

  async #until(what: string, condition: () => boolean | undefined, limit = 120_000): Promise<void> {
    let step = 10;
    const end = this.#world.clock.now + limit;
    for (;;) {
      await this.#pass(step);
      if (condition()) return;
      step = Math.min(1_000, 2 * step);
      if (this.#world.clock.now > end) throw new Violation(`not in ${limit} ms: ${what}: ${this.#standings()}`);
    }
  }
}

const PREFIXES = [30, 29, 28, 28, 27, 26, 25, 24, 22, 20];
