import { openNamespace, RouteSocket } from 'netlink-ts';
import type { Namespace } from 'netlink-ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PinnedAddresses } from '../../src/kernel/pinned-addresses.ts';
import { inside, TestUnderlay } from '../support/host-namespaces.ts';

const [FIRST, SECOND] = ['192.0.2.50', '192.0.2.51'];
const SECONDS = 60;

let underlay: TestUnderlay;
let path: string;
let namespace: Namespace;
let rt: RouteSocket;
let pinned: PinnedAddresses;

beforeEach(() => {
  underlay = new TestUnderlay('addresses');
  path = underlay.namespace('host');
  // Nothing but what is announced is sent.
  inside(path, 'sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=1');
  for (const link of ['one', 'two']) {
    inside(path, 'ip', 'link', 'add', link, 'up', 'type', 'veth', 'peer', 'name', `to-${link}`);
    inside(path, 'ip', 'link', 'set', `to-${link}`, 'up');
  }
  namespace = openNamespace(path);
  rt = RouteSocket.open({ netns: namespace.fd });
  pinned = new PinnedAddresses({ namespace, rt });
});

afterEach(() => {
  rt.close();
  namespace.close();
  underlay.remove();
});

const ensure = (addresses: string[], link = 'one') => pinned.ensure({ link, addresses, seconds: SECONDS });
const held = async () => (await rt.addresses.list()).map(({ address }) => address).sort();

/** Gratuitous ARP, the only packets here. */
function announced(link: string): number {
  const [shown] = JSON.parse(inside(path, 'ip', '-s', '-j', 'link', 'show', link)) as [
    { stats64: { tx: { packets: number } } },
  ];
  return shown.stats64.tx.packets;
}

describe('pinned addresses', () => {
  it('are all renewed although the host has one of them of its own', async () => {
    inside(path, 'ip', 'address', 'add', `${FIRST}/24`, 'dev', 'two');
    const { failures } = await ensure([FIRST, SECOND]);
    expect(failures.map(({ message }) => message)).toEqual([expect.stringContaining(`${FIRST} already`)]);
    expect(await held()).toEqual([FIRST, SECOND]);
    // what is the host's own stays so
    await ensure([]);
    expect(await held()).toEqual([FIRST]);
  });

  it('are announced again where they move to, and none is taken for lost then', async () => {
    for (let i = 0; i < 5; i++) await ensure([FIRST]);
    const before = [announced('one'), announced('two')];
    expect(before).toEqual([3, 0]);
    expect(await ensure([FIRST], 'two')).toEqual({ lost: [], failures: [] });
    expect([announced('one'), announced('two')]).toEqual([3, 1]);
  });

  it('that went while this node did not lead are not lost when it leads again', async () => {
    await ensure([FIRST]);
    inside(path, 'ip', 'address', 'delete', `${FIRST}/32`, 'dev', 'one');
    expect(await ensure([])).toEqual({ lost: [], failures: [] });
    expect(await ensure([FIRST])).toEqual({ lost: [], failures: [] });
    inside(path, 'ip', 'address', 'delete', `${FIRST}/32`, 'dev', 'one');
    expect(await ensure([FIRST])).toEqual({ lost: [FIRST], failures: [] });
  });
});
