import { afterEach, beforeEach, expect, it } from 'vitest';
import { EngineLeaks, collectLeak } from '../../../src/control/engines/leaks.ts';
import { LEAK_GRACE } from '../../../src/model/limits.ts';
import { TestCluster } from '../../support/control.ts';

let cluster: TestCluster;
let node: Awaited<ReturnType<TestCluster['node']>>;
beforeEach(async () => {
  cluster = new TestCluster();
  node = await cluster.node('host1');
});
afterEach(() => cluster.close());

const NAMES = { tenant: 'acme', network: 'web' };
const nothing = { engine: 'docker' as const, endpoints: [], networks: [] };
const whole = { engine: 'docker' as const, endpoints: [{ engineId: 'n1', endpointId: 'e1' }], networks: ['n1'] };

async function attach(): Promise<void> {
  const { engines } = node.control;
  const pool = { engine: 'docker', addressSpace: 's', cidr: '10.1.0.0/24', range: '', v6: false, ...NAMES } as const;
  const { id: poolId } = await engines.requestPool(pool);
  const subnets = [{ addressSpace: 's', cidr: pool.cidr, gateway: '10.1.0.1', reserved: [] }];
  await engines.bindNetwork({ engine: 'docker', engineId: 'n1', subnets, internal: false, ...NAMES });
  const { address } = await engines.requestAddress({ poolId, address: '', gateway: false });
  const ids = { engine: 'docker', engineId: 'n1', endpointId: 'e1' } as const;
  await engines.createEndpoint({ ...ids, addresses: [address], mac: '', labels: {}, container: null });
}

it('nothing is a leak before its grace, nor what was seen in between', async () => {
  await attach();
  let now = 0;
  const leaks = new EngineLeaks(node.deps, () => now);
  expect(leaks.look(nothing)).toEqual([]);
  now += LEAK_GRACE - 1;
  expect(leaks.look(nothing)).toEqual([]);
  expect(leaks.look(whole)).toEqual([]);
  now += 1;
  expect(leaks.look(nothing)).toEqual([]);
  now += LEAK_GRACE;
  expect(leaks.look(nothing).map(({ kind, name }) => `${kind} ${name}`)).toEqual([
    expect.stringMatching(/^endpoint acme\/web\/docker-e1/),
    'binding acme/web',
  ]);
});

it('what is collected is gone with its address at rest; an engine’s network goes with its last binding', async () => {
  await attach();
  let now = 0;
  const leaks = new EngineLeaks(node.deps, () => now);
  leaks.look(nothing);
  now += LEAK_GRACE;
  for (const leak of leaks.look(nothing)) await collectLeak(node.deps, leak);
  expect(await cluster.keys('endpoints/', 'bindings/', 'networks/', 'addresses/')).toEqual([]);
  expect(leaks.look(nothing)).toEqual([]);
});
