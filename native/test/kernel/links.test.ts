import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openNamespace, RouteSocket } from '../../netlink-ts/index.ts';
import { inNamespace, json, TestNamespaces } from './namespaces.ts';

const namespaces = new TestNamespaces();
let path: string;
let rt: RouteSocket;
beforeEach(() => {
  path = namespaces.make('a');
  rt = RouteSocket.open({ netns: path });
});
afterEach(() => {
  rt.close();
  namespaces.removeAll();
});

async function index(name: string, socket = rt): Promise<number> {
  const link = await socket.links.get({ name });
  if (!link) throw new Error(`no link ${name}`);
  return link.index;
}

describe('links', () => {
  it('are read as iproute2 reads them', async () => {
    await rt.links.create({
      name: 'br0',
      kind: 'bridge',
      mtu: 1450,
      address: '02:00:00:00:00:01',
      up: true,
      group: 7,
      bridge: { mcastSnooping: false, ageingTime: 30000 },
    });
    await rt.links.create({
      name: 'v0',
      kind: 'veth',
      mtu: 1450,
      peer: { name: 'v1', address: '02:00:00:00:00:02', mtu: 1400 },
    });
    await rt.links.set({
      index: await index('v0'),
      master: await index('br0'),
      alias: 'an endpoint',
      up: true,
      bridgePort: { learning: false, unicastFlood: false, neighSuppress: true },
    });
    const ours = await rt.links.list();
    const theirs = json(path, 'ip', '-d', '-j', 'link');
    expect(ours.map((link) => [link.index, link.name, link.mtu, link.up]).sort()).toEqual(
      theirs.map((link) => [link.ifindex, link.ifname, link.mtu, (link.flags as string[]).includes('UP')]).sort(),
    );
    const port = theirs.find((link) => link.ifname === 'v0') as {
      linkinfo: { info_slave_data: object };
      ifalias: string;
    };
    expect(port.linkinfo.info_slave_data).toMatchObject({
      learning: false,
      flood: false,
      neigh_suppress: true,
      mcast_flood: true,
    });
    expect(port.ifalias).toBe('an endpoint');
    const br = theirs.find((link) => link.ifname === 'br0') as { linkinfo: { info_data: object } };
    expect(br.linkinfo.info_data).toMatchObject({ mcast_snooping: 0, ageing_time: 30000 });
    expect(ours.find((link) => link.name === 'v0')).toMatchObject({
      kind: 'veth',
      alias: 'an endpoint',
      master: ours.find((link) => link.name === 'br0')?.index,
      bridgePort: { learning: false, unicastFlood: false, mcastFlood: true, neighSuppress: true },
    });
    expect(ours.find((link) => link.name === 'br0')).toMatchObject({
      group: 7,
      bridge: { mcastSnooping: false, ageingTime: 30000 },
    });
    expect(await rt.links.list({ kind: 'bridge' })).toHaveLength(1);
  });

  it('are made straight in another namespace, a vxlan with its socket in the one it was made from', async () => {
    const tenant = namespaces.make('b');
    const target = openNamespace(tenant);
    const inner = RouteSocket.open({ netns: tenant });
    try {
      await rt.links.create({
        name: 'wx1',
        kind: 'vxlan',
        mtu: 1450,
        netns: target.fd,
        vxlan: { id: 0x100000, port: 14789, local: '127.0.0.1', learning: false },
      });
      await inner.links.set({ index: await index('wx1', inner), up: true });
      expect(await rt.links.get({ name: 'wx1' })).toBeUndefined();
      expect(await inner.links.get({ name: 'wx1' })).toMatchObject({
        kind: 'vxlan',
        mtu: 1450,
        vxlan: { id: 0x100000, port: 14789, local: '127.0.0.1', learning: false },
      });
      expect(inNamespace(path, 'ss', '-lunH')).toContain(':14789');
      expect(inNamespace(tenant, 'ss', '-lunH')).not.toContain(':14789');
      await rt.links.create({
        name: 've',
        kind: 'veth',
        peer: { name: 'eth0', netns: target.fd, address: '02:00:00:00:00:09', mtu: 1450 },
      });
      expect(await inner.links.get({ name: 'eth0' })).toMatchObject({
        address: '02:00:00:00:00:09',
        mtu: 1450,
        up: false,
      });
    } finally {
      inner.close();
      target.close();
    }
  });

  it('go one by one, by name or by group', async () => {
    for (const name of ['x', 'y', 'z'])
      await rt.links.create({ name, kind: 'veth', group: name === 'x' ? 0 : 77, peer: { name: `${name}p` } });
    await rt.links.delete({ group: 77 });
    await rt.links.delete({ name: 'x' });
    expect((await rt.links.list()).map((link) => link.name)).toEqual(['lo']);
  });

  it('are refused with the kernel’s own words', async () => {
    await rt.links.create({ name: 'br0', kind: 'bridge' });
    await expect(rt.links.create({ name: 'br0', kind: 'bridge' })).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(rt.links.create({ name: 'no', kind: 'nonesuch' })).rejects.toMatchObject({
      code: 'EOPNOTSUPP',
      kernelMessage: 'Unknown device type',
      message: expect.stringContaining('create nonesuch no') as string,
    });
    await expect(rt.links.set({ index: await index('br0'), mtu: 70000 })).rejects.toMatchObject({
      code: 'EINVAL',
      kernelMessage: expect.stringContaining('mtu') as string,
    });
    await expect(rt.links.delete({ name: 'gone' })).rejects.toMatchObject({ code: 'ENODEV' });
  });
});

describe('addresses, routes, neighbours and forwarding entries', () => {
  it('are read as iproute2 reads them', async () => {
    await rt.links.create({ name: 'br0', kind: 'bridge', up: true });
    await rt.links.create({ name: 'v0', kind: 'veth', up: true, peer: { name: 'v1' } });
    await rt.links.set({ index: await index('v1'), up: true });
    const br = await index('br0');
    await rt.addresses.add({ index: br, address: '10.1.0.1', prefix: 16 });
    await rt.addresses.add({ index: br, address: 'fd00:1::1', prefix: 64, nodad: true });
    expect(await rt.addresses.list({ index: br, family: 4 })).toMatchObject([
      { address: '10.1.0.1', prefix: 16, scope: 0 },
    ]);
    const six = (await rt.addresses.list({ index: br, family: 6 })).find((one) => one.address === 'fd00:1::1');
    expect((six?.flags ?? 0) & 0x42).toBe(0x02);
    await rt.routes.add({ destination: '10.9.0.0/16', gateway: '10.1.0.9', oif: br, protocol: 177 });
    await rt.routes.add({ destination: '::/0', gateway: 'fd00:1::9', oif: br, metric: 7 });
    const theirs = json(path, 'ip', '-j', '-d', 'route').find((route) => route.dst === '10.9.0.0/16');
    expect(theirs).toMatchObject({ gateway: '10.1.0.9', dev: 'br0', protocol: '177' });
    expect((await rt.routes.list({ table: 254 })).filter((route) => route.gateway)).toMatchObject([
      { destination: '10.9.0.0/16', protocol: 177, oif: br },
      { destination: '::/0', gateway: 'fd00:1::9', metric: 7 },
    ]);
    await rt.neighbours.add({ index: br, address: '10.1.0.9', mac: '02:00:00:00:00:09' });
    await rt.neighbours.replace({ index: br, address: '10.1.0.9', mac: '02:00:00:00:00:0a' });
    await rt.neighbours.add({ index: br, address: 'fd00:1::9', mac: '02:00:00:00:00:0a' });
    expect(json(path, 'ip', '-j', 'neigh', 'show', 'dev', 'br0', 'nud', 'permanent')).toHaveLength(2);
    expect((await rt.neighbours.list({ index: br })).filter((one) => one.state === 0x80)).toMatchObject([
      { address: '10.1.0.9', mac: '02:00:00:00:00:0a' },
      { address: 'fd00:1::9', family: 6 },
    ]);
    await rt.neighbours.delete({ index: br, address: '10.1.0.9' });
    expect(json(path, 'ip', '-j', 'neigh', 'show', 'dev', 'br0', 'nud', 'permanent')).toHaveLength(1);
  });

  it('of a vxlan device and its bridge port stand apart', async () => {
    await rt.links.create({ name: 'br0', kind: 'bridge', up: true });
    await rt.links.create({
      name: 'wx',
      kind: 'vxlan',
      up: true,
      vxlan: { id: 5, port: 14789, local: '127.0.0.1', learning: false },
    });
    const [br, wx] = [await index('br0'), await index('wx')];
    await rt.links.set({ index: wx, master: br });
    const mac = '02:00:00:00:00:0b';
    await rt.fdb.replace({ index: wx, mac, via: 'self', dst: '192.0.2.7' });
    await rt.fdb.replace({ index: wx, mac, via: 'self', dst: '192.0.2.8' });
    await rt.fdb.replace({ index: wx, mac, via: 'master' });
    const theirs = json(path, 'bridge', '-j', 'fdb', 'show', 'dev', 'wx').filter((entry) => entry.mac === mac);
    expect(theirs).toHaveLength(2);
    expect(theirs).toContainEqual(expect.objectContaining({ dst: '192.0.2.8', flags: ['self'] }));
    const ours = (await rt.fdb.list({ bridge: br })).filter((entry) => entry.mac === mac);
    expect(ours.map((entry) => [entry.via, entry.dst]).sort()).toEqual([
      ['master', undefined],
      ['self', '192.0.2.8'],
    ]);
    expect((await rt.fdb.list()).filter((entry) => entry.mac === mac)).toHaveLength(2);
    await rt.fdb.delete({ index: wx, mac, via: 'self' });
    await rt.fdb.delete({ index: wx, mac, via: 'master' });
    expect((await rt.fdb.list()).filter((entry) => entry.mac === mac)).toEqual([]);
    await expect(rt.fdb.delete({ index: wx, mac, via: 'self' })).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
