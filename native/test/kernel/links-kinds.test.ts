/** Kinds of links, groups, other names and counters on the kernel, beside `ip` and `bridge`. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NetlinkError, openNamespace, RouteSocket, writeSysctl } from '../../netlink-ts/index.ts';
import type { LinkSpec } from '../../netlink-ts/index.ts';
import { inNamespace, json, TestNamespaces } from './namespaces.ts';

const namespaces = new TestNamespaces();
let path: string;
let rt: RouteSocket;
beforeEach(() => {
  path = namespaces.make('kinds');
  const namespace = openNamespace(path);
  // Nothing is sent but what a test sends.
  writeSysctl(namespace, 'net/ipv6/conf/default/disable_ipv6', '1');
  namespace.close();
  rt = RouteSocket.open({ netns: path });
});
afterEach(() => {
  rt.close();
  namespaces.removeAll();
});

async function index(name: string): Promise<number> {
  const link = await rt.links.get({ name });
  if (!link) throw new Error(`no link ${name}`);
  return link.index;
}

/** Undefined when it was made, else why this kernel has no such links. */
async function refusal(spec: LinkSpec): Promise<string | undefined> {
  try {
    await rt.links.create(spec);
    return undefined;
  } catch (error) {
    const lacks = error instanceof NetlinkError && error.kernelMessage === 'Unknown device type';
    if (lacks) return `this kernel has no ${spec.kind} devices`;
    throw error;
  }
}

interface Detail {
  linkinfo: { info_kind: string; info_data?: object };
  link?: string;
}

const kinds: { spec: Omit<LinkSpec, 'name'>; lower: boolean; theirs: object; ours: object }[] = [
  { spec: { kind: 'ifb' }, lower: false, theirs: { info_kind: 'ifb' }, ours: {} },
  { spec: { kind: 'dummy' }, lower: false, theirs: { info_kind: 'dummy' }, ours: {} },
  {
    spec: { kind: 'vlan', vlan: { id: 7, protocol: 0x88a8 } },
    lower: true,
    theirs: { info_kind: 'vlan', info_data: { protocol: '802.1ad', id: 7 } },
    ours: { vlan: { id: 7, protocol: 0x88a8 } },
  },
  {
    spec: { kind: 'macvlan', macvlan: { mode: 'bridge' } },
    lower: true,
    theirs: { info_kind: 'macvlan', info_data: { mode: 'bridge' } },
    ours: { macvlan: { mode: 'bridge' } },
  },
  {
    spec: { kind: 'ipvlan', ipvlan: { mode: 'l2', flags: 1 } },
    lower: true,
    theirs: { info_kind: 'ipvlan', info_data: { mode: 'l2', mode_flag: 'private' } },
    ours: { ipvlan: { mode: 'l2', flags: 1 } },
  },
];

describe('kinds', () => {
  it.for(kinds)('$spec.kind is read as ip reads it', async ({ spec, lower, theirs, ours }, { skip }) => {
    await rt.links.create({ name: 'low', kind: 'veth', up: true, peer: { name: 'lowp' } });
    const link = lower ? { link: await index('low') } : {};
    const why = await refusal({ name: 'x', ...spec, ...link });
    skip(why !== undefined, why);
    const [detail] = json(path, 'ip', '-d', '-j', 'link', 'show', 'dev', 'x') as unknown as Detail[];
    expect(detail?.linkinfo).toMatchObject(theirs);
    expect(detail?.link).toBe(lower ? 'low' : undefined);
    expect(await rt.links.get({ name: 'x' })).toMatchObject({ kind: spec.kind, ...link, ...ours });
    expect(await rt.links.list({ kind: spec.kind })).toHaveLength(1);
  });
});

describe('ports', () => {
  it('have all the flags that bridge shows', async () => {
    await rt.links.create({ name: 'br0', kind: 'bridge', bridge: { mcastSnooping: false, ageingTime: 60_000 } });
    await rt.links.create({ name: 'p', kind: 'veth', peer: { name: 'pp' } });
    const flags = {
      hairpin: true,
      learning: false,
      unicastFlood: false,
      mcastFlood: false,
      bcastFlood: false,
      neighSuppress: true,
      isolated: true,
    };
    const before = { ...flags, hairpin: false, learning: true, unicastFlood: true, mcastFlood: true, bcastFlood: true };
    await rt.links.set({ index: await index('p'), master: await index('br0') });
    const initial = { ...before, neighSuppress: false, isolated: false };
    expect(await rt.links.get({ name: 'p' })).toMatchObject({ portKind: 'bridge', bridgePort: initial });
    await rt.links.set({ index: await index('p'), bridgePort: flags });
    expect(await rt.links.get({ name: 'p' })).toMatchObject({ bridgePort: flags });
    expect(json(path, 'bridge', '-d', '-j', 'link', 'show', 'dev', 'p')[0]).toMatchObject({
      hairpin: true,
      learning: false,
      flood: false,
      mcast_flood: false,
      bcast_flood: false,
      neigh_suppress: true,
      isolated: true,
    });
  });

  it('are on a bridge whose options ip shows, changed as it stands', async ({ skip }) => {
    await rt.links.create({ name: 'br0', kind: 'bridge', bridge: { mcastSnooping: true, ageingTime: 1_000 } });
    const bridge = { mcastSnooping: false, ageingTime: 60_000, forwardDelay: 400, stp: false };
    await rt.links.set({ index: await index('br0'), bridge });
    expect(await rt.links.get({ name: 'br0' })).toMatchObject({ bridge });
    const [detail] = json(path, 'ip', '-d', '-j', 'link', 'show', 'dev', 'br0') as unknown as Detail[];
    expect(detail?.linkinfo.info_data).toMatchObject({ mcast_snooping: 0, ageing_time: 60_000, forward_delay: 400 });
    try {
      await rt.links.set({ index: await index('br0'), bridge: { vlanFiltering: true } });
    } catch (error) {
      skip(
        error instanceof NetlinkError && error.code === 'EOPNOTSUPP',
        'this kernel has no VLAN filtering in bridges',
      );
      throw error;
    }
    expect(await rt.links.get({ name: 'br0' })).toMatchObject({ bridge: { vlanFiltering: true } });
  });
});

describe('links are picked', () => {
  beforeEach(async () => {
    await rt.links.create({ name: 'br0', kind: 'bridge', group: 7 });
    await rt.links.create({ name: 'a', kind: 'veth', group: 7, peer: { name: 'b', group: 8 } });
    await rt.links.create({ name: 'c', kind: 'ifb' });
    for (const name of ['b', 'c']) await rt.links.set({ index: await index(name), master: await index('br0') });
  });

  const names = async (filter: Parameters<RouteSocket['links']['list']>[0]) =>
    (await rt.links.list(filter)).map(({ name }) => name).sort();

  it('by group, master and kind, and by several of them', async () => {
    expect(await names({ group: 7 })).toEqual(['a', 'br0']);
    expect(await names({ group: 8 })).toEqual(['b']);
    expect(await names({ group: 9 })).toEqual([]);
    const master = await index('br0');
    expect(await names({ master })).toEqual(['b', 'c']);
    expect(await names({ kind: 'veth' })).toEqual(['a', 'b']);
    expect(await names({ master, kind: 'veth' })).toEqual(['b']);
    expect(await names({ master, group: 8 })).toEqual(['b']);
  });

  it('and put into another group', async () => {
    await rt.links.set({ index: await index('a'), group: 42 });
    // ip prints an empty object for each link that it leaves out.
    const theirs = json(path, 'ip', '-j', 'link', 'show', 'group', '42').flatMap(({ ifname }) => ifname ?? []);
    expect(theirs).toEqual(['a']);
    expect(await names({ group: 42 })).toEqual(['a']);
    await rt.links.delete({ group: 42 });
    expect(await names({})).toEqual(['br0', 'c', 'lo']);
  });
});

it('other names are read, and found by', async () => {
  await rt.links.create({ name: 'br0', kind: 'bridge' });
  inNamespace(path, 'ip', 'link', 'property', 'add', 'dev', 'br0', 'altname', 'one-that-is-longer-than-fits');
  inNamespace(path, 'ip', 'link', 'property', 'add', 'dev', 'br0', 'altname', 'two');
  expect((await rt.links.get({ name: 'br0' }))?.altNames).toEqual(['one-that-is-longer-than-fits', 'two']);
});
