/** Calls that a simulation makes, what it makes them on, and which answers are no surprise. */
import { toWeftError } from '../../src/model/errors.ts';
import type { SimDaemon } from './sim-daemon.ts';
import type { SimHost } from './sim-host.ts';
import type { Live } from './sim-judge.ts';
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
  'node-forgotten',
  'network-not-found',
  'network-in-use',
  'network-leaving',
  'tenant-not-found',
  'endpoint-not-found',
  'not-ready',
  'not-supported',
  'node-live',
  'node-not-found',
  'pool-not-found',
  'hold-lost',
  'unauthenticated',
  'subnet-overlap',
  'subnet-mismatch',
  'name-taken',
]);

/** A network that somebody asked for. */
export interface SimNetworkPlan {
  ref: string;
  cidrs: string[];
  id: string;
  /** its end was asked for */
  leaving: boolean;
  /** and that of its endpoints */
  forced: boolean;
}

export class Calls {
  readonly world: SimWorld;
  readonly networks: SimNetworkPlan[] = [];
  /** a host that nothing happens to: two hosts have its identity, and nobody could tell which of them is right */
  spared: SimHost | undefined;

  constructor(world: SimWorld) {
    this.world = world;
  }

  /** Begun, and not waited for: the promise is for those who go on from it, and never rejects. */
  call<T>(daemon: SimDaemon, what: string, work: () => Promise<T>): Promise<T | undefined> {
    const { world } = this;
    const { name } = daemon.host;
    world.note(`${name} ${what}`);
    return work().then(
      (answer) => {
        if (!daemon.alive) return undefined;
        world.note(`${name} ${what}: ${typeof answer === 'string' ? answer : 'done'}`);
        return answer;
      },
      (error: unknown) => {
        if (daemon.alive) this.failed(`${name} ${what}`, error);
        return undefined;
      },
    );
  }

  failed(what: string, error: unknown): void {
    const { code, message } = toWeftError(error);
    this.world.note(`${what}: ${code}: ${message}`);
    if (!EXPECTED.has(code)) this.world.judge.violated(`${what}: ${(error as Error).stack ?? message}`);
  }

  /** To be disturbed. */
  someHost(): SimHost {
    const { hosts, random } = this.world;
    return random.pick(hosts.filter((host) => host !== this.spared));
  }

  someDaemon(): SimDaemon | undefined {
    return this.#some(
      this.world.hosts.flatMap(({ daemon }) => (daemon?.control && daemon.failure === undefined ? [daemon] : [])),
    );
  }

  someNetwork(): SimNetworkPlan | undefined {
    return this.#some(this.networks.filter(({ leaving }) => !leaving));
  }

  /** Of those made by hand. */
  someLive(): Live | undefined {
    return this.#some([...this.world.judge.live.values()].filter(({ kind }) => kind === 'manual'));
  }

  /** One of the first of a subnet; not always one that endpoints can have. */
  someAddress(cidr: string): string {
    const { random } = this.world;
    const [base = '', length = ''] = cidr.split('/');
    const sixth = base.includes(':');
    const offset = 1 + random.integer(Math.min(64, 2 ** ((sixth ? 128 : 32) - Number(length)) - 2));
    if (sixth) return `${base}${offset.toString(16)}`;
    const [a, b, c = 0, d = 0] = base.split('.').map(Number);
    return [a, b, c + ((d + offset) >> 8), (d + offset) & 255].join('.');
  }

  #some<T>(all: readonly T[]): T | undefined {
    return all.length === 0 ? undefined : this.world.random.pick(all);
  }
}
