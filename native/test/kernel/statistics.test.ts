/** Counters of links on the kernel, beside `ip -s`. */
import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openNamespace, RouteSocket, writeSysctl } from '../../netlink-ts/index.ts';
import { json, TestNamespaces } from './namespaces.ts';

const namespaces = new TestNamespaces();
const PACKETS = 7;
let path: string;
let rt: RouteSocket;
beforeEach(() => {
  path = namespaces.make('statistics');
  const namespace = openNamespace(path);
  // Nothing is sent but what the test sends.
  writeSysctl(namespace, 'net/ipv6/conf/all/disable_ipv6', '1');
  namespace.close();
  rt = RouteSocket.open({ netns: path });
});
afterEach(() => {
  rt.close();
  namespaces.removeAll();
});

interface Counted {
  ifname: string;
  ifindex: number;
  stats64: Record<'rx' | 'tx', { bytes: number; packets: number; dropped: number }>;
}

it('are those of ip, alone and on the links', async () => {
  await rt.links.set({ index: 1, up: true });
  await rt.links.create({ name: 'v0', kind: 'veth', up: true, peer: { name: 'v1' } });
  // Every answer is a packet of its own.
  const args = [`--net=${path}`, 'ping', '-q', '-c', String(PACKETS), '-i', '0.01', '127.0.0.1'];
  expect(spawnSync('nsenter', args).status).toBe(0);
  const theirs = json(path, 'ip', '-s', '-j', 'link') as unknown as Counted[];
  expect(theirs.find(({ ifname }) => ifname === 'lo')?.stats64.rx.packets).toBe(2 * PACKETS);
  const alone = await rt.statistics.list();
  const links = await rt.links.list({ statistics: true });
  expect(alone).toHaveLength(theirs.length);
  for (const { ifindex, stats64 } of theirs) {
    const expected = {
      rxBytes: BigInt(stats64.rx.bytes),
      rxPackets: BigInt(stats64.rx.packets),
      rxDropped: BigInt(stats64.rx.dropped),
      txBytes: BigInt(stats64.tx.bytes),
      txPackets: BigInt(stats64.tx.packets),
    };
    expect(alone.find(({ index }) => index === ifindex)?.counters).toMatchObject(expected);
    expect(links.find(({ index }) => index === ifindex)?.statistics).toMatchObject(expected);
    expect((await rt.statistics.get(ifindex)).counters).toMatchObject(expected);
  }
});

it('of links that are not there are refused; links come without them unless asked', async () => {
  await expect(rt.statistics.get(4711)).rejects.toMatchObject({ code: 'ENODEV' });
  expect((await rt.links.list())[0]).not.toHaveProperty('statistics');
});
