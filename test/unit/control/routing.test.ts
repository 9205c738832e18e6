import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TestCluster } from '../../support/control.ts';

const UNPINNED = { nodes: [], addresses: [] };

let cluster: TestCluster;

beforeEach(() => {
  cluster = new TestCluster();
});

afterEach(() => cluster.close());

async function started() {
  const { control } = await cluster.node('host1');
  for (const tenant of ['acme', 'beta']) await control.createTenant({ name: tenant });
  await control.createNetwork({ tenant: 'acme', name: 'web', subnets: [{ cidr: '10.10.0.0/16' }] });
  await control.createNetwork({ tenant: 'acme', name: 'db', subnets: [{ cidr: '10.20.0.0/16' }] });
  await control.createNetwork({ tenant: 'acme', name: 'in', subnets: [{ cidr: '10.30.0.0/16' }], internal: true });
  await control.createNetwork({ tenant: 'beta', name: 'web', subnets: [{ cidr: '10.10.0.0/16' }] });
  return control;
}

describe('egress', () => {
  it('is open by NAT until something is said, which then is the whole of it', async () => {
    const control = await started();
    expect(await control.getEgress('acme')).toEqual({
      ...{ tenant: 'acme', off: false, ipv6: 'nat', allow: [] },
      ...{ ...UNPINNED, leader: '', since: '' },
    });
    const allow = ['192.0.2.7:5432/tcp', '2001:DB8::5', '192.0.2.7/32:5432/tcp', '10.0.0.0/8'];
    const set = await control.setEgress({ tenant: 'acme', off: false, ipv6: 'routed', allow, ...UNPINNED });
    expect(set).toEqual({
      ...{ tenant: 'acme', off: false, ipv6: 'routed' },
      allow: ['10.0.0.0/8', '192.0.2.7/32:5432/tcp', '2001:db8::5/128'],
      ...{ ...UNPINNED, leader: '', since: '' },
    });
    expect(await control.getEgress('acme')).toEqual(set);
    expect(await control.setEgress({ tenant: 'acme', off: true, ipv6: '', allow: [], ...UNPINNED })).toMatchObject({
      off: true,
    });
    expect((await control.getEgress('beta')).off).toBe(false);
  });

  it.each([
    ['10.0.0.1/8', 'host bits'],
    ['192.0.2.7:0/tcp', 'port 0'],
    ['192.0.2.7:65536/tcp', 'port 65536'],
    ['192.0.2.7:53/icmp', 'a protocol without ports'],
    ['192.0.2.7:53', 'no protocol'],
    ['somewhere', 'no address'],
  ])('refuses %s: %s', async (text) => {
    const control = await started();
    await expect(
      control.setEgress({ tenant: 'acme', off: false, ipv6: 'nat', allow: ['10.0.0.0/8', text], ...UNPINNED }),
    ).rejects.toMatchObject({ code: 'invalid-argument', message: expect.stringContaining('allow[1]: ') as string });
  });

  it('is pinned to nodes and an address of theirs, which nobody else gets', async () => {
    const control = await started();
    await cluster.node('host2');
    const wish = { off: false, ipv6: '', allow: [] };
    const pin = { ...wish, tenant: 'acme', nodes: ['host2', 'host1'], addresses: ['192.0.2.50'] };
    const set = await control.setEgress(pin);
    expect(set).toMatchObject({ nodes: ['host2', 'host1'], addresses: ['192.0.2.50'], leader: '', since: '' });
    expect(await control.setEgress(pin)).toEqual(set);
    await expect(control.setEgress({ ...pin, tenant: 'beta' })).rejects.toMatchObject({
      ...{ code: 'address-taken', object: '192.0.2.50', next: 'weft egress show acme' },
    });
    expect(await cluster.keys('egress-addresses/')).toEqual(['egress-addresses/192.0.2.50']);
    const vnis = (await cluster.keys('vnis/')).length;
    await control.setEgress({ ...wish, tenant: 'acme', ...UNPINNED });
    expect(await cluster.keys('egress-addresses/')).toEqual([]);
    expect(await cluster.keys('vnis/')).toHaveLength(vnis - 1);
    await control.setEgress({ ...pin, tenant: 'beta' });
    await control.deleteNetwork({ ref: 'beta/web', force: false });
    await control.deleteTenant('beta');
    expect(await cluster.keys('egress-addresses/', 'egress/')).toHaveLength(1);
    expect(await cluster.keys('vnis/')).toHaveLength(vnis - 2);
  });

  it.each([
    [{ nodes: [], addresses: ['192.0.2.50'] }, 'nodes: '],
    [{ nodes: ['host1'], addresses: [] }, 'addresses: '],
    [{ nodes: ['host1', 'host1'], addresses: ['192.0.2.50'] }, 'nodes[1]: host1 is named twice'],
    [{ nodes: ['host1'], addresses: ['192.0.2.50', '192.0.2.51'] }, 'addresses[1]: '],
    [{ nodes: ['host1'], addresses: ['198.51.100.1'] }, 'addresses[0]: 198.51.100.1 is in no subnet of eth0 of host1'],
    [{ nodes: ['host1'], addresses: ['192.0.2.1'] }, 'addresses[0]: 192.0.2.1 is host1'],
    [{ nodes: ['host1'], addresses: ['192.0.2.255'] }, 'addresses[0]: '],
    [{ nodes: ['host1'], addresses: ['partner'] }, 'addresses[0]: "partner" is not an IP address'],
    [{ nodes: ['host1'], addresses: ['192.0.2.50'], off: true }, 'off: '],
    [{ nodes: ['host1'], addresses: ['2001:db8::50'], ipv6: 'routed' }, 'ipv6: '],
  ])('refuses to be pinned by %j', async (pin, message) => {
    const control = await started();
    const request = { tenant: 'acme', off: false, ipv6: '', allow: [], ...pin };
    await expect(control.setEgress(request)).rejects.toMatchObject({
      ...{ code: 'invalid-argument', message: expect.stringContaining(message) as string },
    });
    expect(await cluster.keys('egress-addresses/', 'egress/')).toEqual([]);
  });

  it('is not pinned to nodes that are not there, or that tell no subnet', async () => {
    const control = await started();
    const request = { tenant: 'acme', off: false, ipv6: '', allow: [], addresses: ['192.0.2.50'] };
    await expect(control.setEgress({ ...request, nodes: ['host9'] })).rejects.toMatchObject({ code: 'node-not-found' });
  });

  it('goes with its tenant', async () => {
    const control = await started();
    await control.setEgress({ tenant: 'beta', off: true, ipv6: '', allow: [], ...UNPINNED });
    await control.deleteNetwork({ ref: 'beta/web', force: false });
    await control.deleteTenant('beta');
    expect(await cluster.keys('egress/')).toEqual([]);
    await expect(control.getEgress('beta')).rejects.toMatchObject({ code: 'tenant-not-found' });
  });
});

describe('routers', () => {
  it('are made of two networks or more, listed, and deleted', async () => {
    const control = await started();
    const made = await control.createRouter({ tenant: 'acme', name: 'core', networks: ['web', 'acme/db', 'web'] });
    expect(made).toMatchObject({ tenant: 'acme', name: 'core', networks: ['db', 'web'] });
    expect(await control.listRouters({ tenant: 'acme' })).toEqual([made]);
    expect(await control.listRouters({ tenant: 'beta' })).toEqual([]);
    expect(await control.getRouter('acme/core')).toEqual(await control.getRouter(made.id));
    await expect(control.createRouter({ tenant: 'acme', name: 'core', networks: ['web', 'db'] })).rejects.toMatchObject(
      { code: 'name-taken' },
    );
    await control.deleteNetwork({ ref: 'acme/db', force: false });
    expect(await control.getRouter('acme/core')).toMatchObject({ networks: ['web'] });
    await control.deleteRouter('acme/core');
    await expect(control.getRouter('acme/core')).rejects.toMatchObject({ code: 'router-not-found' });
    expect(await cluster.keys('routers/', 'names/router/')).toEqual([]);
  });

  it('join no other tenant’s networks, no internal ones, and not one alone', async () => {
    const control = await started();
    const create = (...networks: string[]) => control.createRouter({ tenant: 'acme', name: 'core', networks });
    for (const networks of [['web', 'beta/web'], ['web', 'in'], ['web'], ['web', 'acme/web']]) {
      await expect(create(...networks)).rejects.toMatchObject({
        code: 'invalid-argument',
        message: expect.stringMatching(/^networks: /) as string,
      });
    }
    await expect(create('web', 'none')).rejects.toMatchObject({ code: 'network-not-found' });
    expect(await cluster.keys('routers/', 'names/router/')).toEqual([]);
  });

  it('go with their tenant', async () => {
    const control = await started();
    await control.createRouter({ tenant: 'acme', name: 'core', networks: ['web', 'db'] });
    for (const name of ['web', 'db', 'in']) await control.deleteNetwork({ ref: `acme/${name}`, force: false });
    await control.deleteTenant('acme');
    expect(await cluster.keys('routers/', 'names/router/')).toEqual([]);
  });
});
