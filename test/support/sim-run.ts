/** One simulation from a seed: a cluster comes up, things happen to it, it is left alone, and then it must be in order. */
import { describeCause } from '../../src/model/errors.ts';
import type { Bug } from './sim-bugs.ts';
import { Ending } from './sim-ending.ts';
import type { SimHost } from './sim-host.ts';
import { Violation } from './sim-judge.ts';
import { CALM } from './sim-network.ts';
import { Steps } from './sim-steps.ts';
import type { Peril } from './sim-steps.ts';
import { SimWorld } from './sim-world.ts';

export interface SimOptions {
  seed: number;
  steps: number;
  nodes: number;
  peril: Peril;
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
  const traces = Error.stackTraceLimit;
  // Refusals are thrown by the hundred, and nobody reads where.
  if (process.env.WEFT_SIM_SEED === undefined) Error.stackTraceLimit = 0;
  const run = new Simulation(world, options);
  try {
    await run.all();
    return { failure: undefined, trace: '', attached: run.steps.users.attached };
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    return { failure: error.message, trace: world.trace(), attached: run.steps.users.attached };
  } finally {
    for (const host of world.hosts) host.crash();
    Error.stackTraceLimit = traces;
    restore();
  }
}

/** What stands of a node that does not come back by itself. */
const LOST = new Set(['fenced', 'behind', 'cloned']);

class Simulation {
  readonly #world: SimWorld;
  readonly #options: SimOptions;
  readonly steps: Steps;

  constructor(world: SimWorld, options: SimOptions) {
    this.#world = world;
    this.#options = options;
    this.steps = new Steps(world, options.peril);
  }

  async all(): Promise<void> {
    await this.#begin();
    for (let i = 0; i < this.#options.steps; i++) {
      this.steps.step();
      await this.#world.clock.drain();
      await this.#pass(this.#someTime());
    }
    this.#calm();
    if (!(await this.#dropTheLost())) return;
    const ending = new Ending(this.#world, this.steps, { pass: (ms) => this.#pass(ms), until: this.#until.bind(this) });
    await ending.all();
  }

  async #begin(): Promise<void> {
    const { hosts, random, clock } = this.#world;
    for (const host of hosts) {
      host.engine(this.steps.calls);
      host.start();
    }
    await this.#until('all nodes serve', () => hosts.every(isProven));
    const count = 1 + random.integer(2);
    for (let i = 0; i < count; i++) {
      void this.steps.operators.createNetwork();
      await this.#until('a network is made', () => this.steps.calls.networks.length > i);
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
    const { judge } = this.#world;
    judge.step();
    if (judge.found) throw judge.found;
  }

  #calm(): void {
    const { network, hosts } = this.#world;
    this.#world.note('--- all is well again');
    network.weather = CALM;
    for (const [a, b] of network.cuts()) network.heal(a, b);
    this.steps.faults.cloneEnds();
    for (const host of hosts) {
      host.stalled = false;
      if (host.daemon && host.daemon.failure === undefined) continue;
      host.crash();
      host.start();
    }
  }

  /** After a restored etcd somebody says that all is there; also when a node notices it only when it serves again. */
  async #recover(): Promise<void> {
    const { hosts } = this.#world;
    let asked = 0;
    await this.#until('all nodes know where they stand', () => {
      if (this.#world.isRecovering() && asked++ % 4 === 0) this.steps.operators.resumeStore();
      return !this.#world.isRecovering() && hosts.every((host) => isProven(host) || isLost(host));
    });
  }

  /** Nodes with an old disk, or forgotten: the others forget them, and go on. False: there are no others. */
  async #dropTheLost(): Promise<boolean> {
    const { hosts } = this.#world;
    // A look of each at where it stands.
    await this.#pass(20_000);
    await this.#recover();
    const lost = hosts.filter(isLost);
    if (lost.length > 0 && this.#options.peril !== 'identity')
      throw new Violation(`nothing happened to who they are, and yet: ${this.#standings()}`);
    const control = hosts.find(isProven)?.daemon?.control;
    if (!control) return false;
    for (const host of lost) {
      this.#world.removeHost(host);
      await this.#until(`${host.name} is forgotten`, () => {
        if (this.#world.judge.fenced.has(host.nodeId)) return true;
        control.forgetNode({ ref: host.nodeId, force: true }).catch(() => undefined);
        return false;
      });
    }
    return true;
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

function isLost({ daemon }: SimHost): boolean {
  const code = (daemon?.failure as { code?: string } | undefined)?.code;
  return code === 'node-forgotten' || LOST.has(daemon?.deps?.ownership.standing.state ?? '');
}

function isProven({ daemon }: SimHost): boolean {
  return daemon?.deps?.ownership.standing.isProven() === true && daemon.failure === undefined;
}
