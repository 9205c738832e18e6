import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { keys } from '../../../src/model/keys.ts';
import type { Reconciler } from '../../../src/reconcile/port.ts';
import { TestCluster } from '../../support/control.ts';

let cluster: TestCluster;
beforeEach(() => {
  cluster = new TestCluster();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await cluster.close();
});

async function twoHosts() {
  const [one, two] = [await cluster.node('host1'), await cluster.node('host2')];
  await one.control.createTenant({ name: 'acme' });
  const create = () => one.control.createNetwork({ tenant: 'acme', name: 'web', subnets: [{ cidr: '10.10.0.0/16' }] });
  return { one, two, create };
}

const wish = { network: 'acme/web', netns: '/a', name: 'a', publish: ['8080:80'] };

describe('an attach that publishes', () => {
  it('keeps no name when what it publishes is nothing that can be', async () => {
    const { one, create } = await twoHosts();
    await create();
    await expect(one.control.attach({ ...wish, publish: ['http'] })).rejects.toMatchObject({
      code: 'invalid-argument',
    });
    expect(await cluster.keys('names/endpoint/')).toEqual([]);
    expect(await one.control.attach(wish)).toMatchObject({ name: 'a' });
  });

  it('finds a network that another host has made a moment ago', async () => {
    const { two, create } = await twoHosts();
    await two.deps.view.sync({ deadline: 1_000 });
    const before = two.deps.view.current();
    await create();
    const current = vi.spyOn(two.deps.view, 'current').mockReturnValue(before);
    const sync = two.deps.view.sync.bind(two.deps.view);
    vi.spyOn(two.deps.view, 'sync').mockImplementation(async (options) => {
      await sync(options);
      current.mockRestore();
    });
    const { netns, publish, network } = wish;
    expect(await two.control.attach({ netns, publish, network })).toMatchObject({ network: 'web', node: 'host2' });
  });

  it('lets go of its ports at once when it is not recorded', async () => {
    const { one, create } = await twoHosts();
    await create();
    const settled: string[] = [];
    vi.spyOn(one.deps.ports, 'claim').mockResolvedValue({ settle: () => void settled.push('settled') });
    const reconciler: Reconciler = one.reconciler;
    vi.spyOn(reconciler, 'wake').mockImplementation(({ kind }) => void settled.push(kind));
    const taken = one.control.attach({ ...wish, addresses: ['10.10.0.1'] });
    await expect(taken).rejects.toMatchObject({ code: 'address-outside' });
    expect(settled).toEqual(['settled', 'host']);
  });
});

describe('a list of ports', () => {
  it.each([
    [{}, ['8080', '9090']],
    [{ tenant: 'acme', network: 'web', node: 'host1' }, ['8080', '9090']],
    [{ tenant: 'acme', node: 'host2' }, []],
    [{ network: 'db' }, []],
    [{ container: 'shop' }, ['8080']],
    [{ container: 'cccc' }, ['8080']],
    [{ container: 'ccccd' }, []],
    [{ project: 'store' }, ['8080']],
    [{ labels: ['app=shop'] }, ['8080']],
    [{ labels: ['app'], state: 'ready' }, ['8080']],
    [{ state: 'lost' }, []],
  ])('shows what the endpoints of the same filter publish: %j', async (filter, expected) => {
    const { one, create } = await twoHosts();
    await create();
    const { id, network } = await one.control.attach(wish);
    await one.control.attach({ ...wish, name: 'b', publish: ['9090:80'] });
    const container = { id: 'c'.repeat(64), name: 'shop', image: 'box', project: 'store' };
    const description = { endpoint: id, network, node: one.deps.node.id, container, labels: { app: 'shop' } };
    one.deps.ownership.records.append([{ put: keys.description(id), value: description }]);
    expect((await one.control.listPorts(filter)).map(({ hostPort }) => String(hostPort))).toEqual(expected);
    expect(await one.control.listEndpoints(filter)).toHaveLength(expected.length);
  });
});
