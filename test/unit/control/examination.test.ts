/** Nodes examine themselves and each other, over one store in memory. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keys } from '../../../src/model/keys.ts';
import type { Endpoint } from '../../../src/model/objects.ts';
import { TestCluster } from '../../support/control.ts';
import { until } from '../../support/until.ts';

type TestNode = Awaited<ReturnType<TestCluster['node']>>;
let cluster: TestCluster;
let one: TestNode;
let two: TestNode;
beforeEach(async () => {
  cluster = new TestCluster();
  one = await cluster.node('host1');
  two = await cluster.node('host2');
  await one.control.createTenant({ name: 'acme' });
  await one.control.createNetwork({ tenant: 'acme', name: 'web', subnets: [{ cidr: '10.5.0.0/24' }] });
  for (const [node, name] of [
    [one, 'a'],
    [two, 'b'],
  ] as const) {
    await node.control.attach({ network: 'acme/web', netns: '/proc/self/ns/net', name });
  }
  await cluster.published();
});
afterEach(() => cluster.close());

const audit = (node: TestNode) => node.control.examine({ audit: true });

/** Writes behind weft's back, and waits until both nodes have seen it. */
async function plant(key: string, value: object): Promise<void> {
  await one.store.transact({ compare: [], then: [{ put: key, value }] });
  for (const { deps } of [one, two]) {
    await until(() => deps.view.stored(key) !== undefined, { what: `${key} to be seen` });
  }
}

describe('an audit of the cluster', () => {
  it('hears every node and finds nothing', async () => {
    const { nodes, findings } = await audit(one);
    expect(findings).toEqual([]);
    expect(nodes.map(({ node, answered }) => [node, answered])).toEqual([
      ['host1', true],
      ['host2', true],
    ]);
  });

  it('names an address record of a node that its journal does not have, and the command that ends it', async () => {
    const endpoint = [...two.deps.view.current().state.endpoints.values()].find(({ name }) => name === 'b')!;
    const key = keys.address(endpoint.network, '10.5.0.77');
    const lost = { network: endpoint.network, address: '10.5.0.77', state: 'bound', endpoint: 'gone' };
    await plant(key, { ...lost, node: two.deps.node.id, bootId: 'b', since: '2026-01-01T00:00:00.000Z' });
    const { findings } = await audit(one);
    expect(findings).toEqual([
      expect.objectContaining({ code: 'address-leaked', node: 'host2', object: 'acme/web 10.5.0.77' }),
    ]);
    expect(findings[0]?.command).toContain(`del /weft/v1/${key}`);
  });

  it('names what the store lost or has otherwise than its owner’s journal', async () => {
    const state = two.deps.view.current().state;
    const [a, b] = ['a', 'b'].map((name) => [...state.endpoints.values()].find((one) => one.name === name)!);
    await plant(keys.endpoint(a!.network, a!.id), { ...a!, mac: '02:00:00:00:00:99' });
    await one.store.transact({ compare: [], then: [{ delete: keys.endpoint(b!.network, b!.id) }] });
    const differing = () => one.deps.view.stored(keys.endpoint(a!.network, a!.id))?.value as Endpoint;
    await until(() => differing().mac.endsWith('99'), { what: 'the change to be seen' });
    await until(() => !two.deps.view.stored(keys.endpoint(b!.network, b!.id)), { what: 'the loss to be seen' });
    const { findings } = await audit(one);
    expect(findings.map(({ code, node, object }) => [code, node, object])).toEqual([
      ['record-different', 'host1', 'acme/web/a'],
      ['record-unpublished', 'host2', 'acme/web/b'],
    ]);
  });

  it('says which node did not answer, and judges it by the store', async () => {
    const answers = one.deps.examiners!;
    one.deps.examiners = { ...answers, examineNode: () => Promise.reject(new Error('no route to host')) };
    const { nodes, findings } = await audit(one);
    one.deps.examiners = answers;
    expect(nodes).toContainEqual(expect.objectContaining({ node: 'host2', answered: false }));
    expect(findings).toEqual([expect.objectContaining({ code: 'node-silent', node: 'host2' })]);
  });

  it('compares with the engine what its node has of it, when the engine shows itself', async () => {
    const stray = { engineId: 'n1', name: 'acme.stray' };
    one.deps.engineShows = () => Promise.resolve({ engine: 'docker', networks: [stray], endpoints: [] });
    expect((await audit(two)).findings).toEqual([
      expect.objectContaining({ code: 'engine-network-unknown', node: 'host1', object: 'acme.stray' }),
    ]);
    one.deps.engineShows = () => Promise.reject(new Error('away'));
    expect((await audit(two)).findings).toEqual([]);
  });

  it('does not report what is over by the second look', async () => {
    let looks = 0;
    one.deps.engineShows = () => {
      const networks = looks++ === 0 ? [{ engineId: 'n1', name: 'acme.new' }] : [];
      return Promise.resolve({ engine: 'docker', networks, endpoints: [] });
    };
    expect((await audit(one)).findings).toEqual([]);
    expect(looks).toBe(2);
  });
});
