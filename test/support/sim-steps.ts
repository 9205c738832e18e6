/** What happens to a simulated cluster, one step at a time, and how often. */
import { Calls } from './sim-calls.ts';
import { Faults } from './sim-faults.ts';
import { Operators } from './sim-operators.ts';
import { Users } from './sim-users.ts';
import type { SimWorld } from './sim-world.ts';

/** What a simulation has to fear beside the weather. */
export type Peril =
  | 'none'
  /** disks put back, hosts copied, nodes forgotten */
  | 'identity'
  /** etcd put back */
  | 'store';

type Step = readonly [weight: number, run: () => void];

export class Steps {
  readonly #world: SimWorld;
  readonly #steps: readonly Step[];
  readonly #weight: number;
  readonly calls: Calls;
  readonly users: Users;
  readonly operators: Operators;
  readonly faults: Faults;

  constructor(world: SimWorld, peril: Peril) {
    this.#world = world;
    this.calls = new Calls(world);
    this.users = new Users(this.calls);
    this.operators = new Operators(this.calls);
    this.faults = new Faults(this.calls);
    this.#steps = [...this.#common(), ...this.#of(peril)];
    this.#weight = this.#steps.reduce((sum, [weight]) => sum + weight, 0);
  }

  /** One thing, begun and not waited for. */
  step(): void {
    let chance = this.#world.random.integer(this.#weight);
    for (const [weight, run] of this.#steps) {
      chance -= weight;
      if (chance < 0) return run();
    }
  }

  #common(): Step[] {
    const { users, operators, faults } = this;
    return [
      [240, () => users.attach()],
      [60, () => users.attachWish()],
      [210, () => users.detach()],
      [60, () => this.#runContainer()],
      [50, () => this.calls.someHost().engine(this.calls).stop()],
      [4, () => this.calls.someHost().engine(this.calls).removeNetwork()],
      [4, () => void operators.createNetwork()],
      [4, () => operators.extendNetwork()],
      [5, () => operators.deleteNetwork()],
      [1, () => operators.forceNetwork()],
      [20, () => faults.crash()],
      [20, () => faults.powerCycle()],
      [60, () => faults.start()],
      [15, () => faults.cutFromEtcd()],
      [15, () => faults.cutPeers()],
      [50, () => faults.heal()],
      [4, () => faults.etcdOutage()],
      [20, () => faults.etcdReturns()],
      [4, () => faults.compact()],
      [10, () => faults.clockJump()],
      [10, () => faults.storm()],
      [10, () => faults.kernelStalls()],
    ];
  }

  #of(peril: Peril): Step[] {
    const { operators, faults } = this;
    const none: Step[] = [];
    const identity: Step[] = [
      [30, () => faults.saveDisk()],
      [20, () => faults.restoreDisk()],
      [10, () => faults.clone()],
      [15, () => faults.cloneEnds()],
      [6, () => operators.forget()],
    ];
    const store: Step[] = [
      [15, () => operators.backUpStore()],
      [15, () => operators.restoreStore()],
      [40, () => operators.resumeStore()],
    ];
    return { none, identity, store }[peril];
  }

  #runContainer(): void {
    const network = this.calls.someNetwork();
    if (network) this.calls.someHost().engine(this.calls).run(network);
  }
}
