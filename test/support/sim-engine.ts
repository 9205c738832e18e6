/**
 * A Docker of the simulation: networks of its own that are bound to weft's, containers that come and go in Docker's order of
 * calls. As Docker does, it repeats what a transport did not carry, undoes what broke off, and forgets what it cannot undo.
 */
import type { Control } from '../../src/control/port.ts';
import { HOLD_TIME } from '../../src/model/limits.ts';
import type { Calls, SimNetworkPlan } from './sim-calls.ts';
import type { SimDaemon } from './sim-daemon.ts';
import type { SimHost } from './sim-host.ts';
import type { Live } from './sim-judge.ts';
import { liveOf } from './sim-users.ts';

interface EngineNetwork {
  engineId: string;
  plan: SimNetworkPlan;
  /** one of each family */
  pools: { id: string; cidr: string; gateway: string }[];
}

interface Container {
  id: string;
  network: EngineNetwork;
  addresses: { pool: string; address: string }[];
  state: 'starting' | 'running' | 'stopping';
}

/** milliseconds before the repetitions of a call, as Docker's client of plugins waits */
const REPEATS = [1_000, 2_000, 4_000, 8_000];
/** milliseconds between two calls, where Docker has something else to do */
const PAUSE = 1_500;
const SPACE = 'weft-local';

export class SimEngine {
  readonly #calls: Calls;
  readonly #host: SimHost;
  readonly #networks = new Map<string, EngineNetwork>();
  readonly #containers = new Map<string, Container>();
  #names = 0;

  constructor(calls: Calls, host: SimHost) {
    this.#calls = calls;
    this.#host = host;
  }

  /** A container is run, on a network that the engine makes first where it has none. */
  run(plan: SimNetworkPlan): void {
    void this.#run(plan);
  }

  /** One of its containers stops. */
  stop(): void {
    const running = [...this.#containers.values()].filter(({ state }) => state === 'running');
    if (running.length > 0) void this.#undo(this.#calls.world.random.pick(running));
  }

  /** A network without containers is removed. */
  removeNetwork(): void {
    const unused = [...this.#networks.values()].filter((network) => !this.#isUsed(network));
    if (unused.length > 0) void this.#removeNetwork(this.#calls.world.random.pick(unused));
  }

  /** What the follower of an engine does: networks that are to go go, and what the engine does not know is collected. */
  async follow(daemon: SimDaemon, control: Control): Promise<void> {
    const ending = [...this.#networks.values()].filter(({ plan }) => plan.forced);
    await Promise.all(ending.map((network) => this.#end(network)));
    const inventory = {
      engine: 'docker' as const,
      endpoints: [...this.#containers.values()].map(({ id, network }) => ({
        engineId: network.engineId,
        endpointId: id,
      })),
      networks: [...this.#networks.values()].map(({ engineId }) => engineId),
    };
    for (const leak of control.following.leaks(inventory)) {
      await this.#calls.call(daemon, `collect ${leak.kind} ${leak.name}`, () => control.following.collect(leak));
    }
  }

  /** Everything stops, and goes. */
  async endAll(): Promise<void> {
    await Promise.all([...this.#networks.values()].map((network) => this.#end(network)));
  }

  async #end(network: EngineNetwork): Promise<void> {
    const running = [...this.#containers.values()].filter((one) => one.network === network && one.state === 'running');
    await Promise.all(running.map((container) => this.#undo(container)));
    if (!this.#isUsed(network)) await this.#removeNetwork(network);
  }

  #isUsed(network: EngineNetwork): boolean {
    return [...this.#containers.values()].some((container) => container.network === network);
  }

  async #run(plan: SimNetworkPlan): Promise<void> {
    const network = this.#networks.get(plan.id) ?? (await this.#makeNetwork(plan));
    if (!network) return;
    const { random } = this.#calls.world;
    const container: Container = {
      ...{ id: `${this.#host.name}-c${++this.#names}`.padEnd(64, '0'), network, addresses: [], state: 'starting' },
    };
    this.#containers.set(container.id, container);
    for (const pool of network.pools) {
      const wanted = random.integer(6) === 0 ? this.#calls.someAddress(pool.cidr) : '';
      const address = await this.#hold(container, pool, wanted);
      if (address === undefined) return this.#undo(container);
      container.addresses.push({ pool: pool.id, address });
    }
    const { engineId } = network;
    const addresses = container.addresses.map(({ address }) => address);
    const made = await this.#ask(`create endpoint ${addresses.join()}`, async (control, daemon) => {
      const request = { engine: 'docker' as const, engineId, endpointId: container.id, mac: '', container: null };
      const view = await control.engines.createEndpoint({ ...request, addresses, labels: {} });
      if (daemon.alive) this.#began(daemon, container, liveOf(view, daemon));
      return view;
    });
    if (!made) return this.#undo(container);
    const joined = await this.#ask(`join ${addresses.join()}`, (control) =>
      control.engines.joinEndpoint({ engine: 'docker', engineId, endpointId: container.id, sandbox: '/run/netns' }),
    );
    if (!joined) return this.#undo(container);
    container.state = 'running';
  }

  /** RequestAddress: from its answer on the address is this engine's, for as long as holds last. */
  #hold(container: Container, pool: EngineNetwork['pools'][number], wanted: string): Promise<string | undefined> {
    const { judge, clock } = this.#calls.world;
    return this.#ask(`request address ${wanted}`, async (control, daemon) => {
      const until = clock.now + HOLD_TIME;
      const unproven = !daemon.deps?.ownership.standing.isProven();
      const { address } = await control.engines.requestAddress({ poolId: pool.id, address: wanted, gateway: false });
      const { plan } = container.network;
      const bare = address.split('/')[0] ?? '';
      // Of two pools alike one was taken; in the other what is reserved may be asked for, and is nobody's.
      if (!daemon.alive || bare === pool.gateway) return address;
      const hold: Live = {
        ...{ kind: 'hold', endpoint: holdOf(container, address), network: plan.id, addresses: [bare] },
        ...{ host: this.#host, node: this.#host.nodeId },
      };
      judge.attached(daemon, hold, { wanted: wanted === '' ? undefined : wanted, unproven });
      clock.schedule(until - clock.now, () => judge.expired(hold));
      return address;
    });
  }

  /** CreateEndpoint was answered: what was held is bound, or was given up while the answer was on its way. */
  #began(daemon: SimDaemon, container: Container, live: Live): void {
    if (container.state !== 'starting' || this.#calls.world.judge.live.has(live.endpoint)) return;
    const holds = container.addresses.map(({ address }) => holdOf(container, address));
    this.#calls.world.judge.bound(daemon, holds, live);
  }

  /** Leave tells nobody anything; ReleaseAddress follows DeleteEndpoint, or comes before it where a run broke off. */
  async #undo(container: Container): Promise<void> {
    const { judge, random } = this.#calls.world;
    container.state = 'stopping';
    for (const { address } of container.addresses) judge.ended(holdOf(container, address));
    for (const live of [...judge.live.values()]) {
      if (live.kind === 'engine' && live.host === this.#host && this.#isOf(container, live)) judge.ended(live.endpoint);
    }
    const early = random.integer(8) === 0;
    if (early) await this.#release(container);
    const { engineId } = container.network;
    await this.#ask(`delete endpoint of ${container.addresses.map(({ address }) => address).join()}`, (control) =>
      control.engines.deleteEndpoint({ engine: 'docker', engineId, endpointId: container.id }).then(() => 'done'),
    );
    if (random.integer(8) > 0 || early) await this.#release(container);
    this.#containers.delete(container.id);
  }

  #isOf(container: Container, live: Live): boolean {
    const { plan } = container.network;
    const addresses = container.addresses.map(({ address }) => address.split('/')[0] ?? '');
    return live.network === plan.id && live.addresses.some((address) => addresses.includes(address));
  }

  async #release(container: Container): Promise<void> {
    for (const { pool, address } of container.addresses) {
      const bare = address.split('/')[0] ?? '';
      await this.#ask(`release address ${bare}`, (control) =>
        control.engines.releaseAddress({ poolId: pool, address: bare }).then(() => 'done'),
      );
    }
  }

  async #makeNetwork(plan: SimNetworkPlan): Promise<EngineNetwork | undefined> {
    const names = { tenant: 'default', network: plan.ref.split('/')[1] ?? '' };
    const pools: EngineNetwork['pools'] = [];
    const subnets: { addressSpace: string; cidr: string; gateway: string; reserved: string[] }[] = [];
    for (const v6 of [false, true]) {
      const cidr = plan.cidrs.find((one) => one.includes(':') === v6);
      if (cidr === undefined) continue;
      const asked = { engine: 'docker' as const, addressSpace: SPACE, cidr, range: '', v6, ...names };
      const pool = await this.#ask(`request pool ${cidr}`, (control) => control.engines.requestPool(asked));
      if (!pool) return undefined;
      const answer = await this.#ask(`request gateway of ${cidr}`, (control) =>
        control.engines.requestAddress({ poolId: pool.id, address: '', gateway: true }),
      );
      if (!answer) return undefined;
      const gateway = answer.address.split('/')[0] ?? '';
      pools.push({ ...pool, gateway });
      subnets.push({ addressSpace: SPACE, cidr, gateway, reserved: [] });
    }
    const engineId = `${this.#host.name}-n${++this.#names}`.padEnd(64, '0');
    const request = { engine: 'docker' as const, engineId, ...names, subnets, internal: false };
    const bound = await this.#ask(`create ${plan.ref}`, (control) => control.engines.bindNetwork(request));
    if (bound?.id !== plan.id || this.#networks.has(plan.id)) return undefined;
    const network = { engineId, plan, pools };
    this.#networks.set(plan.id, network);
    return network;
  }

  async #removeNetwork(network: EngineNetwork): Promise<void> {
    const { engineId, plan, pools } = network;
    this.#networks.delete(plan.id);
    await this.#ask(`remove ${plan.ref}`, (control) =>
      control.engines.unbindNetwork({ engine: 'docker', engineId }).then(() => 'done'),
    );
    for (const { id } of pools)
      await this.#ask('release pool', (control) => control.engines.releasePool(id).then(() => 'done'));
  }

  /** undefined: refused, or not carried so often that Docker gives up. A call whose answer was lost comes again. */
  async #ask<T>(what: string, work: (control: Control, daemon: SimDaemon) => Promise<T>): Promise<T | undefined> {
    const { random } = this.#calls.world;
    if (random.integer(4) === 0) await this.#wait(random.integer(PAUSE));
    for (const pause of [...REPEATS, undefined]) {
      const { daemon } = this.#host;
      const control = daemon?.control;
      if (daemon && control) {
        const once = () => this.#calls.call(daemon, what, () => work(control, daemon));
        // Twice at once is what a proxy or an impatient client makes of one.
        const asked = random.integer(20) === 0 ? Promise.all([once(), once()]).then(([first]) => first) : once();
        const answer = await Promise.race([asked.then((value) => ({ value })), daemon.end.then(() => undefined)]);
        if (answer) return answer.value;
      }
      if (pause !== undefined) await this.#wait(pause);
    }
    return undefined;
  }

  #wait(milliseconds: number): Promise<void> {
    return new Promise((resolve) => this.#calls.world.clock.schedule(milliseconds, resolve));
  }
}

function holdOf(container: Container, address: string): string {
  return `hold of ${address} for ${container.id}`;
}
