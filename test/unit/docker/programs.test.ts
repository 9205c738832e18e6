/**
 * Whatever users of several engines do at once, and however connections break meanwhile: no address is had twice, every
 * container has what it was promised, and in the end nothing is left.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EngineLeaks, collectLeak } from '../../../src/control/engines/leaks.ts';
import { Housekeeping } from '../../../src/control/housekeeping.ts';
import { HOLD_TIME } from '../../../src/model/limits.ts';
import { keys } from '../../../src/model/keys.ts';
import type { AddressRecord } from '../../../src/model/objects.ts';
import { TestCluster } from '../../support/control.ts';
import { FakeDockerd } from '../../support/fake-dockerd.ts';
import { VERSIONS } from '../../support/fake-dockerd-records.ts';
import type { Claims, NetworkWish, Version } from '../../support/fake-dockerd-records.ts';
import { RemoteError } from '../../support/plugin-client.ts';
import type { Fate } from '../../support/plugin-client.ts';
import { startPlugin } from './plugin.ts';

const named = (tenant: string, network: string) => ({ tenant, network });
const NETWORKS: NetworkWish[] = [
  {
    name: 'web',
    v4: [{ cidr: '10.10.0.0/24', aux: ['10.10.0.9'] }],
    v6: [{ cidr: 'fd00:10::/64' }],
    options: { ...named('acme', 'web'), routes: '10.9.0.0/16=10.10.0.254' },
    ipamOptions: named('acme', 'web'),
  },
  // the same subnet as another tenant's, and no name with the pool
  { name: 'beta', v4: [{ cidr: '10.10.0.0/24', range: '10.10.0.64/26' }], options: named('beta', 'web') },
  { name: 'back', v4: [{ cidr: '' }], internal: true, ipamOptions: named('acme', 'back') },
  { name: 'own', v4: [{ cidr: '' }, { cidr: '' }], overlaps: 1 },
];
const SIX: NetworkWish = { name: 'six', v4: [], v6: [{ cidr: '' }], ipamOptions: named('acme', 'six') };

type Action =
  | { kind: 'run'; networks: string[]; ip: string; ports: number[] }
  | { kind: 'connect' | 'disconnect'; network: string }
  | { kind: 'stop' }
  | { kind: 'make' | 'remove'; network: string };

const network = fc.constantFrom(...NETWORKS.map(({ name }) => name), SIX.name);
const ip = fc.constantFrom('', '', '', '10.10.0.70', '10.10.0.71');
const ports = fc.constantFrom<number[]>([], [], [8080], [8081, 8082]);
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('run'),
      networks: fc.uniqueArray(network, { minLength: 1, maxLength: 2 }),
      ip,
      ports,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('connect'), network }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('disconnect'), network }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'stop' } as const) },
);
const administration: fc.Arbitrary<Action> = fc.record({ kind: fc.constantFrom('make', 'remove'), network });

/** Of one engine: what each container's user does, one after the other, and what the one who makes networks does. */
const engine = fc.record({
  version: fc.constantFrom(...VERSIONS),
  containers: fc.array(fc.array(action, { maxLength: 12, size: 'max' }), { minLength: 1, maxLength: 5, size: 'max' }),
  administrator: fc.array(administration, { maxLength: 5, size: 'max' }),
  /** the next call's fate, again and again */
  fates: fc.array(
    fc.oneof(
      { weight: 12, arbitrary: fc.constant<Fate>('answered') },
      { weight: 2, arbitrary: fc.constantFrom<Fate>('lost', 'unheard', 'cut', 'twice') },
    ),
    { minLength: 1, maxLength: 80, size: 'max' },
  ),
});
type Engine = typeof engine extends fc.Arbitrary<infer T> ? T : never;

class World {
  readonly cluster = new TestCluster();
  readonly claims: Claims = new Map();
  readonly hosts: Host[] = [];
  clock = 0;

  async host(program: Engine): Promise<void> {
    const node = await this.cluster.node(`host${this.hosts.length + 1}`);
    const plugin = await startPlugin(node.control.engines);
    let call = 0;
    const faults = { on: false };
    const fateOf = (): Fate => (faults.on ? (program.fates[call++ % program.fates.length] ?? 'answered') : 'answered');
    const { version } = program;
    const dockerd = new FakeDockerd({ socketPath: plugin.socketPath, version, claims: this.claims, fateOf });
    const clock = () => this.clock;
    const housekeeping = new Housekeeping(node.deps, clock);
    const leaks = new EngineLeaks(node.deps, clock);
    this.hosts.push({ program, node, plugin, dockerd, faults, housekeeping, leaks });
  }

  /** Time passes on every host; what an engine shows of itself is compared with the records. */
  async pass(time: number): Promise<void> {
    for (const step of [0, time]) {
      this.clock += step;
      for (const { node, dockerd, housekeeping, leaks } of this.hosts) {
        const endpoints = [...dockerd.containers.values()].flatMap((container) => container.endpoints);
        const inventory = {
          engine: 'docker' as const,
          endpoints: endpoints.map((one) => ({ engineId: one.network.id, endpointId: one.id })),
          networks: [...dockerd.networks.values()].map(({ id }) => id),
        };
        for (const leak of leaks.look(inventory)) await collectLeak(node.deps, leak);
        await housekeeping.round(new AbortController().signal);
      }
    }
  }

  /** Every host's picture is as new as the store. */
  async settle(): Promise<void> {
    for (const { node } of this.hosts) await node.deps.view.sync({ deadline: 5_000 });
  }

  async close(): Promise<void> {
    for (const { plugin } of this.hosts) await plugin.close();
    await this.cluster.close();
  }
}

interface Host {
  program: Engine;
  node: Awaited<ReturnType<TestCluster['node']>>;
  plugin: Awaited<ReturnType<typeof startPlugin>>;
  dockerd: FakeDockerd;
  faults: { on: boolean };
  housekeeping: Housekeeping;
  leaks: EngineLeaks;
}

const wishOf = (name: string, version: Version) =>
  name !== SIX.name ? NETWORKS.find((wish) => wish.name === name) : version >= 28 ? SIX : undefined;

/** What dockerd or the plugin refuses is the user's to see; anything else is a fault of the test. */
async function act(dockerd: FakeDockerd, name: string, action: Action): Promise<string> {
  const work = (): Promise<unknown> => {
    switch (action.kind) {
      case 'run':
        return dockerd.run(name, action.networks, { ports: action.ports, ...(action.ip !== '' && { ip: action.ip }) });
      case 'connect':
        return dockerd.connect(name, action.network);
      case 'disconnect':
        return dockerd.disconnect(name, action.network);
      case 'stop':
        return dockerd.stop(name);
      case 'remove':
        return dockerd.removeNetwork(action.network);
      case 'make': {
        const wish = wishOf(action.network, dockerd.version);
        return wish ? dockerd.createNetwork(wish) : Promise.resolve();
      }
    }
  };
  try {
    await work();
    return '';
  } catch (error) {
    return error instanceof RemoteError ? error.message : '';
  }
}

/** The messages of what the plugin refused. */
async function play({ dockerd, program }: Host, hostName: string): Promise<string[]> {
  const users = program.containers.map(async (actions, i) => {
    const refusals: string[] = [];
    for (const one of actions) refusals.push(await act(dockerd, `${hostName}-c${i}`, one));
    return refusals;
  });
  const administrator = (async () => {
    const refusals: string[] = [];
    for (const one of program.administrator) refusals.push(await act(dockerd, '', one));
    return refusals;
  })();
  return (await Promise.all([...users, administrator])).flat().filter((message) => message !== '');
}

async function assertPromises({ node, dockerd }: Host): Promise<void> {
  const known = await node.control.listEndpoints({ node: node.deps.node.name });
  for (const container of dockerd.containers.values()) {
    for (const endpoint of container.endpoints) {
      const ours = known.find(({ engine: { endpointId } }) => endpointId === endpoint.id);
      expect(ours, `${container.name} on ${endpoint.network.wish.name}`).toMatchObject({
        addresses: endpoint.addresses.map(({ cidr }) => cidr),
        mac: endpoint.mac,
        state: 'ready',
      });
    }
  }
}

/** Also of endpoints that no dockerd knows of any more: each address is bound to the one endpoint that has it. */
function assertBound({ node: { deps } }: Host): void {
  for (const endpoint of deps.view.current().state.endpoints.values()) {
    for (const cidr of endpoint.addresses) {
      const record = deps.view.value<AddressRecord>(keys.address(endpoint.network, cidr.split('/')[0] ?? ''));
      expect(record, cidr).toMatchObject({ state: 'bound', endpoint: endpoint.id, node: endpoint.node });
    }
  }
}

async function clearAway({ dockerd }: Host): Promise<void> {
  for (const name of [...dockerd.containers.keys()]) await dockerd.stop(name);
  for (const name of [...dockerd.networks.keys()]) await dockerd.removeNetwork(name);
}

async function check(programs: Engine[], options: { faults: boolean; refusals: RegExp }): Promise<void> {
  const world = new World();
  try {
    for (const program of programs) await world.host(program);
    for (const { faults } of world.hosts) faults.on = options.faults;
    for (const { dockerd } of world.hosts) {
      // what breaks off at the first try is there for the next
      for (const { name } of [...NETWORKS, SIX, ...NETWORKS]) await act(dockerd, '', { kind: 'make', network: name });
    }
    const refused = await Promise.all(world.hosts.map((host, i) => play(host, `host${i}`)));
    for (const message of refused.flat()) expect(message).toMatch(options.refusals);
    await world.settle();
    world.hosts.forEach(assertBound);
    for (const host of world.hosts) await assertPromises(host);
    await world.pass(10 * HOLD_TIME);
    await world.settle();
    for (const host of world.hosts) await assertPromises(host);
    await Promise.all(world.hosts.map(clearAway));
    await world.settle();
    // a leak is seen, then its address rests, then its network is without a user for a while
    for (let i = 0; i < 4; i++) {
      await world.pass(HOLD_TIME);
      await world.settle();
    }
    const kept = await world.cluster.keys('cluster/', 'nodes/', 'live/', 'epochs/', 'fence/', 'names/node/');
    expect((await world.cluster.keys('')).filter((key) => !kept.includes(key))).toEqual([]);
    expect(world.hosts.flatMap(({ dockerd }) => dockerd.complaints)).toEqual([]);
  } finally {
    await world.close();
  }
}

const RUNS = process.env.WEFT_LONG === undefined ? 20 : 1_000;
const engines = fc.array(engine, { minLength: 1, maxLength: 2 });

test('without faults, only what is asked of one address twice is refused', { timeout: 3_600_000 }, async () => {
  const refusals = /address-taken|network-not-found|pool-not-found|subnet-overlap|port-taken|\b10\.10\.0\.7[01]\b/;
  await fc.assert(
    fc.asyncProperty(engines, (programs) => check(programs, { faults: false, refusals })),
    { numRuns: RUNS },
  );
});

test('with connections that break and calls that come twice', { timeout: 3_600_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(engines, (programs) => check(programs, { faults: true, refusals: /./ })),
    { numRuns: RUNS },
  );
});
