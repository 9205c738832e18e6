import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TestCluster } from '../../support/control.ts';

let cluster: TestCluster;
beforeEach(() => {
  cluster = new TestCluster();
});
afterEach(() => cluster.close());

const OURS = [
  'tenants/',
  'networks/',
  'names/tenant',
  'names/network',
  'names/endpoint',
  'subnets/',
  'vnis/',
  'addresses/',
  'endpoints/',
  'bindings/',
  'macs/',
  'pools/',
];

describe('tenants and networks', () => {
  it('are found on every host as soon as they are made on one', async () => {
    const [one, two] = [await cluster.node('host1'), await cluster.node('host2')];
    await one.control.createTenant({ name: 'acme' });
    const made = await one.control.createNetwork({ tenant: 'acme', name: 'web', subnets: [{ cidr: '10.10.0.0/16' }] });
    expect(await two.control.getNetwork('acme/web')).toEqual(made);
    expect(made).toMatchObject({
      mtu: 1450,
      tenant: 'acme',
      subnets: [{ gateway: '10.10.0.1', capacity: '65533', used: '0' }],
    });
    expect(await two.control.getNetwork(made.id.slice(0, 20).toLowerCase())).toEqual(made);
  });

  it('may have the same subnet in two tenants, never in one', async () => {
    const { control } = await cluster.node('host1');
    await control.createTenant({ name: 'acme' });
    await control.createTenant({ name: 'beta' });
    const subnets = [{ cidr: '10.10.0.0/16' }];
    const [a, b] = await Promise.all(
      ['acme', 'beta'].map((tenant) => control.createNetwork({ tenant, name: 'web', subnets })),
    );
    expect(a!.vni).not.toBe(b!.vni);
    await expect(
      control.createNetwork({ tenant: 'acme', name: 'db', subnets: [{ cidr: '10.10.128.0/17' }] }),
    ).rejects.toMatchObject({
      code: 'subnet-overlap',
      message: '10.10.128.0/17 overlaps 10.10.0.0/16 of acme/web',
    });
  });

  it('made at the same time on two hosts come out as one, and a named refusal', async () => {
    const nodes = [await cluster.node('host1'), await cluster.node('host2')];
    await nodes[0]!.control.createTenant({ name: 'acme' });
    const results = await Promise.allSettled(
      nodes.flatMap(({ control }) =>
        [1, 2, 3].map((n) =>
          control.createNetwork({ tenant: 'acme', name: 'web', subnets: [{ cidr: `10.${n}.0.0/16` }] }),
        ),
      ),
    );
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
    for (const result of results)
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'name-taken' });
    expect(await cluster.keys('vnis/', 'networks/')).toHaveLength(2);
  });

  it('choose a subnet that nothing of the tenant or the host overlaps', async () => {
    const { control } = await cluster.node('host1');
    await control.createTenant({ name: 'acme' });
    const first = await control.createNetwork({ tenant: 'acme', name: 'a', subnets: [] });
    const second = await control.createNetwork({ tenant: 'acme', name: 'b', subnets: [] });
    expect([first.subnets[0]!.cidr, second.subnets[0]!.cidr]).toEqual(['10.128.0.0/20', '10.128.16.0/20']);
  });

  it('take the largest MTU that fits every node, and refuse a larger one', async () => {
    const { control } = await cluster.node('host1');
    await cluster.node('host2', { underlayMtu: 1400 });
    await control.createTenant({ name: 'acme' });
    expect(await control.createNetwork({ tenant: 'acme', name: 'a', subnets: [] })).toMatchObject({ mtu: 1350 });
    await expect(control.createNetwork({ tenant: 'acme', name: 'b', subnets: [], mtu: 1450 })).rejects.toMatchObject({
      code: 'mtu-too-large',
    });
    await expect(cluster.node('host3', { underlayMtu: 1300 })).rejects.toMatchObject({ code: 'mtu-too-large' });
  });

  it('leave nothing behind when they are deleted', async () => {
    const { control } = await cluster.node('host1');
    await control.createTenant({ name: 'acme' });
    await control.createNetwork({
      tenant: 'acme',
      name: 'web',
      subnets: [{ cidr: '10.10.0.0/16', reserved: ['10.10.9.0/24'] }],
    });
    await expect(control.deleteTenant('acme')).rejects.toMatchObject({ code: 'tenant-in-use' });
    const endpoint = await control.attach({ network: 'acme/web', netns: '/run/netns/x', name: 'c1' });
    await expect(control.deleteNetwork({ ref: 'acme/web', force: false })).rejects.toMatchObject({
      code: 'network-in-use',
    });
    await control.detach(`acme/web/${endpoint.name}`);
    await control.deleteNetwork({ ref: 'acme/web', force: false });
    await control.deleteTenant('acme');
    expect(await cluster.keys(...OURS)).toEqual([]);
  });

  it('name the field that is wrong', async () => {
    const { control } = await cluster.node('host1');
    await control.createTenant({ name: 'acme' });
    const create = (cidr: string, more = {}) =>
      control.createNetwork({ tenant: 'acme', name: 'x', subnets: [{ cidr, ...more }] });
    await expect(create('10.0.0.1/24')).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringMatching(/^subnets\[0\]\.cidr: /) as string,
    });
    await expect(create('10.0.0.0/31')).rejects.toMatchObject({ code: 'invalid-argument' });
    await expect(create('169.254.64.0/24')).rejects.toMatchObject({ code: 'subnet-overlap' });
    await expect(create('10.0.0.0/24', { gateway: '10.0.1.1' })).rejects.toMatchObject({
      message: expect.stringMatching(/^subnets\[0\]\.gateway: /) as string,
    });
    await expect(create('10.0.0.0/24', { gateway: '10.0.0.255' })).rejects.toMatchObject({ code: 'invalid-argument' });
    await expect(create('10.0.0.0/24', { reserved: ['10.0.0.9', '10.0.0.0/16'] })).rejects.toMatchObject({
      message: expect.stringMatching(/^subnets\[0\]\.reserved\[1\]: /) as string,
    });
    await expect(control.createTenant({ name: 'Not.OK' })).rejects.toMatchObject({ code: 'invalid-argument' });
    await expect(control.getNetwork('nobody/web')).rejects.toMatchObject({
      code: 'network-not-found',
      next: 'weft tenant ls',
    });
  });
});
