import { afterEach, beforeEach, expect, it } from 'vitest';
import { removeEndpoint } from '../../../src/control/endpoints.ts';
import { EngineLeaks, collectLeak } from '../../../src/control/engines/leaks.ts';
import { prefixes } from '../../../src/model/keys.ts';
import { LEAK_GRACE } from '../../../src/model/limits.ts';
import { TestCluster } from '../../support/control.ts';
import { until } from '../../support/until.ts';

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

it('what only an etcd put back from a backup says of this node is written by nobody', async () => {
  await attach();
  const { engines } = node.control;
  const { deps } = node;
  const { ownership } = deps;
  const endpoint = [...deps.view.current().state.endpoints.values()][0];
  const ids = { engine: 'docker', engineId: 'n1', endpointId: 'e1' } as const;
  await cluster.published();
  const backup = cluster.shared.backup();
  await engines.deleteEndpoint(ids);
  const over = [...ownership.records.entries(prefixes.addresses)].map(([key]) => ({ delete: key }));
  await ownership.records.append(over, 'release').durable;
  await cluster.published();
  cluster.shared.restore(backup, { newCluster: true });
  await until(() => deps.view.current().state.endpoints.has(endpoint?.id ?? ''), {
    what: 'the picture to show it again',
  });
  const before = ownership.records.sequence;

  await collectLeak(deps, { kind: 'endpoint', name: 'e1', ...ids });
  await engines.deleteEndpoint(ids);
  await expect(engines.joinEndpoint({ ...ids, sandbox: '/run/netns/c1' })).rejects.toMatchObject({
    code: 'endpoint-not-found',
  });
  const again = { ...ids, addresses: endpoint?.addresses ?? [], mac: '', labels: {} } as const;
  await expect(engines.createEndpoint({ ...again, container: null })).rejects.toMatchObject({ code: 'hold-lost' });
  await expect(
    node.control.updateEndpoint({ ref: endpoint?.id ?? '', revision: 0, labels: { a: 'b' } }),
  ).rejects.toMatchObject({ code: 'node-fenced' });
  if (endpoint) await removeEndpoint(deps, endpoint, 'resting', {});
  expect(ownership.records.sequence).toBe(before);
});
