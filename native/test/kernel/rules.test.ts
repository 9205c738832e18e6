/** Rules of policy routing on the kernel, beside `ip rule`. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { monitorRoutes, RouteSocket, RTN_BLACKHOLE, RTN_UNREACHABLE } from '../../netlink-ts/index.ts';
import { inNamespace, json, TestNamespaces } from './namespaces.ts';

const namespaces = new TestNamespaces();
let path: string;
let rt: RouteSocket;
beforeEach(() => {
  path = namespaces.make('rules');
  rt = RouteSocket.open({ netns: path });
});
afterEach(() => {
  rt.close();
  namespaces.removeAll();
});

async function bridge(name: string): Promise<number> {
  await rt.links.create({ name, kind: 'bridge', up: true });
  const link = await rt.links.get({ name });
  if (!link) throw new Error(`no link ${name}`);
  return link.index;
}

it('are listed by ip as they were made', async () => {
  await rt.rules.add({ family: 4, mark: 0x77, mask: 0xff, table: 1077, priority: 1000, protocol: 177 });
  await rt.rules.add({ family: 4, from: '10.1.0.0/16', iif: 'lo', table: 77, priority: 1001 });
  await rt.rules.add({ family: 4, to: '10.2.0.7/32', oif: 'br0', action: 'blackhole', priority: 1002 });
  await rt.rules.add({ family: 4, invert: true, from: '10.3.0.0/16', action: 'unreachable', priority: 1003 });
  await rt.rules.add({ family: 4, table: 254, suppressPrefixLength: 0, priority: 1004 });
  await rt.rules.add({ family: 4, action: 'goto', goto: 32766, priority: 1005 });
  await rt.rules.add({ family: 6, from: 'fd00:1::/64', action: 'prohibit', priority: 1006 });
  const four = json(path, 'ip', '-j', '-d', 'rule').slice(1, 7);
  expect(four).toEqual([
    { priority: 1000, src: 'all', fwmark: '0x77', fwmask: '0xff', table: '1077', protocol: '177' },
    { priority: 1001, src: '10.1.0.0', srclen: 16, iif: 'lo', table: '77', protocol: 'static' },
    expect.objectContaining({ priority: 1002, dst: '10.2.0.7', oif: 'br0', action: 'blackhole' }),
    { priority: 1003, not: null, src: '10.3.0.0', srclen: 16, action: 'unreachable', protocol: 'static' },
    { priority: 1004, src: 'all', table: 'main', suppress_prefixlen: 0, protocol: 'static' },
    { priority: 1005, src: 'all', goto: 32766, protocol: 'static' },
  ]);
  expect(json(path, 'ip', '-6', '-j', 'rule')).toContainEqual(
    expect.objectContaining({ priority: 1006, src: 'fd00:1::', srclen: 64, action: 'prohibit' }),
  );
});

it('that ip made are read, of one family or of both', async () => {
  inNamespace(path, 'ip', 'rule', 'add', 'fwmark', '7', 'lookup', '300', 'priority', '5');
  inNamespace(path, 'ip', '-6', 'rule', 'add', 'to', 'fd00::/8', 'lookup', '9', 'priority', '6');
  const four = await rt.rules.list({ family: 4 });
  expect(four.map(({ priority }) => priority)).toEqual([0, 5, 32766, 32767]);
  expect(four[1]).toMatchObject({ family: 4, mark: 7, table: 300, action: 'lookup' });
  expect(four[1]).not.toHaveProperty('mask');
  const all = await rt.rules.list();
  expect(all.filter(({ family }) => family === 6)[1]).toMatchObject({ to: 'fd00::/8', table: 9, priority: 6 });
  expect(all).toHaveLength(7);
});

it('choose the table of a packet', async () => {
  const [one, two] = [await bridge('br1'), await bridge('br2')];
  await rt.addresses.add({ index: one, address: '10.1.0.1', prefix: 16 });
  await rt.routes.add({ destination: '0.0.0.0/0', oif: one });
  await rt.routes.add({ destination: '0.0.0.0/0', oif: two, table: 300 });
  await rt.rules.add({ family: 4, mark: 0x10, mask: 0xf0, table: 300 });
  const device = (...mark: string[]) => json(path, 'ip', '-j', 'route', 'get', '192.0.2.1', ...mark)[0]?.dev;
  expect(device()).toBe('br1');
  expect(device('mark', '0x1f')).toBe('br2');
  expect(device('mark', '0x2f')).toBe('br1');
});

it('go one by one, and only where all that is named fits', async () => {
  const rule = { family: 4, from: '10.1.0.0/16', table: 77, priority: 9 } as const;
  await rt.rules.add(rule);
  await expect(rt.rules.add(rule)).rejects.toMatchObject({ code: 'EEXIST' });
  await rt.rules.add({ ...rule, table: 78 });
  await expect(rt.rules.delete({ ...rule, table: 79 })).rejects.toMatchObject({ code: 'ENOENT' });
  await rt.rules.delete({ family: 4, priority: 9, table: 78 });
  expect((await rt.rules.list({ family: 4 })).filter(({ priority }) => priority === 9)).toMatchObject([rule]);
  await rt.rules.delete(rule);
  expect(await rt.rules.list({ family: 4 })).toHaveLength(3);
});

it('are heard of as they come and go', async () => {
  const stop = new AbortController();
  const events = monitorRoutes({ netns: path, topics: ['rules'], signal: stop.signal });
  inNamespace(path, 'ip', 'rule', 'add', 'from', '10.7.0.0/16', 'lookup', '300', 'priority', '5');
  inNamespace(path, 'ip', 'rule', 'del', 'priority', '5');
  const rule = { family: 4, from: '10.7.0.0/16', table: 300, priority: 5 };
  expect((await events.next()).value).toMatchObject({ kind: 'rule', change: 'new', rule });
  expect((await events.next()).value).toMatchObject({ kind: 'rule', change: 'delete', rule });
  stop.abort();
});

it('routes of all types that drop, through a gateway nobody knows, and with an MTU are listed by ip the same', async () => {
  const br = await bridge('br0');
  await rt.addresses.add({ index: br, address: '10.1.0.1', prefix: 16 });
  await rt.routes.add({ destination: '10.50.0.0/16', type: RTN_BLACKHOLE, protocol: 177 });
  await rt.routes.add({ destination: 'fd00:50::/64', type: RTN_UNREACHABLE });
  await rt.routes.add({ destination: '10.52.0.0/16', gateway: '192.0.2.7', oif: br, onlink: true });
  await rt.routes.add({ destination: '10.53.0.0/16', gateway: '10.1.0.9', source: '10.1.0.1', mtu: 1400, metric: 9 });
  await rt.routes.add({ destination: '10.54.0.0/16', gateway: 'fe80::7', oif: br });
  await expect(rt.routes.add({ destination: '10.55.0.0/16', gateway: '192.0.2.7', oif: br })).rejects.toMatchObject({
    kernelMessage: 'Nexthop has invalid gateway',
  });
  const theirs = [...json(path, 'ip', '-j', '-d', 'route'), ...json(path, 'ip', '-6', '-j', '-d', 'route')];
  const at = (dst: string) => theirs.find((route) => route.dst === dst);
  expect(at('10.50.0.0/16')).toMatchObject({ type: 'blackhole', protocol: '177' });
  expect(at('fd00:50::/64')).toMatchObject({ type: 'unreachable' });
  expect(at('10.52.0.0/16')).toMatchObject({ gateway: '192.0.2.7', dev: 'br0', flags: ['onlink'] });
  expect(at('10.53.0.0/16')).toMatchObject({ gateway: '10.1.0.9', prefsrc: '10.1.0.1', metric: 9 });
  expect(JSON.stringify(at('10.53.0.0/16')?.metrics)).toContain('1400');
  expect(at('10.54.0.0/16')).toMatchObject({ via: { family: 'inet6', host: 'fe80::7' } });
  const ours = await rt.routes.list({ table: 254 });
  expect(ours).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ destination: '10.50.0.0/16', type: RTN_BLACKHOLE }),
      expect.objectContaining({ destination: 'fd00:50::/64', type: RTN_UNREACHABLE }),
      expect.objectContaining({ destination: '10.52.0.0/16', gateway: '192.0.2.7', onlink: true }),
      expect.objectContaining({ destination: '10.53.0.0/16', mtu: 1400, source: '10.1.0.1' }),
      expect.objectContaining({ destination: '10.54.0.0/16', gateway: 'fe80::7' }),
    ]),
  );
});
