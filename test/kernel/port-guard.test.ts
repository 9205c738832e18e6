import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { NftSocket, openNamespace, RouteSocket } from 'netlink-ts';
import { announce } from '../../src/kernel/announce.ts';
import { AnnouncementLog } from '../../src/kernel/announcements.ts';
import { forgetDrops, readDrops } from '../../src/kernel/port-guard/drops.ts';
import { ensureRuleset, rulesetStands } from '../../src/kernel/ruleset.ts';
import { formatAddress } from '../../src/model/address/address.ts';
import { linkLocalOf } from '../../src/model/address/mac.ts';
import { linkNames } from '../../src/model/names.ts';
import type { AddressClaim } from '../../src/plan/port-guard/claim.ts';
import { planPortGuard } from '../../src/plan/port-guard/plan.ts';
import { StateBuilder } from '../support/cluster-state.ts';
import { Forger } from '../support/forge.ts';
import type { Enter } from '../support/forge.ts';
import { forgeries, honest } from '../support/forgeries.ts';
import type { Forgery, Party } from '../support/forgeries.ts';
import { FrameCapture } from '../support/frame-capture.ts';
import { arp, BROADCAST, discovery, ethernet, ipv4, ipv6, udp } from '../support/frames.ts';
import { inside, TestUnderlay } from '../support/host-namespaces.ts';
import { until } from '../support/until.ts';

const attachment = { mode: 'sandbox', path: '/nowhere', ifname: 'eth0' } as const;
const cluster = new StateBuilder()
  .node('A', '192.0.2.1')
  .node('B', '192.0.2.2')
  .tenant('acme')
  .network('acme', 'web', {
    vni: 0x100001,
    subnets: [
      { cidr: '10.10.0.0/16', gateway: '10.10.0.1', reserved: [] },
      { cidr: 'fd00:10::/64', gateway: 'fd00:10::1', reserved: [] },
    ],
  })
  .endpoint('acme-web', 'one', { node: 'A', addresses: ['10.10.0.2/16', 'fd00:10::2/64'], attachment })
  .endpoint('acme-web', 'two', { node: 'A', addresses: ['10.10.0.3/16', 'fd00:10::3/64'], attachment })
  .endpoint('acme-web', 'far', { node: 'B', addresses: ['10.10.1.2/16', 'fd00:10::1:2/64'], attachment });
const intent = planPortGuard(cluster.build(), { tenant: 'acme', node: 'A' });
const [one, two] = [party('one'), party('two')];
const nobody = { ipv4: '10.10.9.9', ipv6: 'fd00:10::99' };
const PORT = linkNames.port('one');
const END = ethernet(
  { from: one.mac, to: two.mac },
  0x0800,
  ipv4({ from: one.ipv4, to: two.ipv4, protocol: 17 }, udp({ from: 9, to: 9 }, Buffer.from('the end'))),
);

let underlay: TestUnderlay;
let tenant: string;
let nft: NftSocket;
let forger: Forger;
let capture: FrameCapture;

function party(id: string): Party {
  const { mac, addresses } = cluster.endpoints.get(id)!;
  const [ipv4 = '', ipv6 = ''] = addresses.map((cidr) => cidr.split('/')[0] ?? '');
  return { mac, ipv4, ipv6, linkLocal: formatAddress(linkLocalOf(mac)) };
}

function enter(name: string): Enter {
  return ['nsenter', `--net=${underlay.namespace(name)}`];
}

/** A bridge with both endpoints; nothing in the namespaces speaks by itself. */
beforeAll(() => {
  forger = new Forger();
  underlay = new TestUnderlay('port-guard');
  tenant = underlay.namespace('tenant');
  inside(tenant, 'ip', 'link', 'add', 'wb1', 'type', 'bridge', 'mcast_snooping', '0');
  inside(tenant, 'sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1');
  // As in a tenant's namespace: with 1, which is inherited, wrong checksums would end at the bridge.
  for (const table of ['ip', 'ip6', 'arp'])
    inside(tenant, 'sysctl', '-qw', `net.bridge.bridge-nf-call-${table}tables=0`);
  inside(tenant, 'ip', 'link', 'set', 'wb1', 'up');
  for (const id of ['one', 'two']) {
    const sandbox = underlay.namespace(id);
    inside(sandbox, 'sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1');
    inside(sandbox, 'ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', linkNames.port(id), 'netns', tenant);
    inside(sandbox, 'ip', 'link', 'set', 'eth0', 'up');
    inside(tenant, 'ip', 'link', 'set', linkNames.port(id), 'master', 'wb1', 'up');
    inside(tenant, 'bridge', 'link', 'set', 'dev', linkNames.port(id), 'learning', 'off');
  }
  nft = NftSocket.open({ netns: tenant });
});

afterAll(() => {
  nft.close();
  underlay.remove();
  forger.remove();
});

beforeEach(async () => {
  await nft.deleteTable({ family: 'bridge', name: 'weft' });
});

/** Sends them from one and gives those that two got. */
async function arrived(frames: Forgery[]): Promise<string[]> {
  capture = await FrameCapture.start(enter('two'), 'eth0');
  try {
    forger.send(enter('one'), [...frames.map(({ frame }) => frame), END]);
    await until(() => capture.saw(END), { what: 'the last frame' });
    return frames.filter(({ frame }) => capture.saw(frame)).map(({ what }) => what);
  } finally {
    await capture.stop();
  }
}

function counts(frames: Forgery[]): Record<string, number> {
  const byReason: Record<string, number> = {};
  for (const { reason } of frames) byReason[reason] = (byReason[reason] ?? 0) + 1;
  return byReason;
}

describe('the ruleset', () => {
  test('reads as one that a person wrote', async () => {
    await ensureRuleset(nft, intent);
    const text = inside(tenant, 'nft', 'list', 'table', 'bridge', 'weft');
    await expect(text).toMatchFileSnapshot('../unit/plan/golden/port-guard.nft');
  });

  test('is not touched by a second look, and keeps its counts when endpoints come and go', async () => {
    await ensureRuleset(nft, intent);
    expect(await ensureRuleset(nft, intent, { last: intent })).toMatchObject({
      created: false,
      changed: false,
      repaired: [],
    });
    const [forgery] = forgeries(one, two, nobody);
    await arrived([forgery!]);
    const fewer = { ...intent, ports: intent.ports.filter(({ port }) => port === PORT) };
    await ensureRuleset(nft, fewer, { last: intent });
    expect(await readDrops(nft)).toEqual(new Map([[PORT, { 'source-mac': 1 }]]));
  });

  test('is put right when others changed its rules or its sets, and says so', async () => {
    await ensureRuleset(nft, intent);
    inside(tenant, 'nft', 'flush', 'chain', 'bridge', 'weft', 'ip-frames');
    expect(await ensureRuleset(nft, intent, { last: intent })).toMatchObject({ repaired: ['guard'] });
    inside(tenant, 'nft', 'flush', 'set', 'bridge', 'weft', 'sources4');
    expect(await ensureRuleset(nft, intent, { last: intent })).toMatchObject({ repaired: ['guard-members'] });
    expect(await ensureRuleset(nft, intent, { last: intent })).toMatchObject({ changed: false });
  });
});

describe('frames of a hostile endpoint', () => {
  const forged = forgeries(one, two, nobody);

  test('arrive, all of them, without the guard', async () => {
    expect(await arrived(forged)).toEqual(forged.map(({ what }) => what));
  });

  test('do not arrive with it, and are counted by reason', async () => {
    await ensureRuleset(nft, intent);
    expect(await arrived(forged)).toEqual([]);
    expect(await readDrops(nft)).toEqual(new Map([[PORT, counts(forged)]]));
  });

  test('what honest kernels and programs send passes', async () => {
    await ensureRuleset(nft, intent);
    const frames = honest(one, two);
    expect(await arrived(frames)).toEqual(frames.map(({ what }) => what));
    expect(await readDrops(nft)).toEqual(new Map());
  });

  test('a port that the guard does not know sends nothing', async () => {
    await ensureRuleset(nft, { ...intent, ports: intent.ports.filter(({ port }) => port !== PORT) });
    forger.send(enter('one'), [END]);
    expect(await readDrops(nft)).toEqual(new Map([[PORT, { 'source-mac': 1 }]]));
  });

  test('are counted for a port until it is gone', async () => {
    await ensureRuleset(nft, intent);
    const toOne = ethernet(
      { from: one.mac, to: one.mac },
      0x0800,
      ipv4({ from: nobody.ipv4, to: one.ipv4, protocol: 17 }, udp({ from: 9, to: 9 }, Buffer.from('x'))),
    );
    forger.send(enter('one'), [toOne]);
    forger.send(enter('two'), [toOne]);
    await forgetDrops(nft);
    expect([...(await readDrops(nft)).keys()].sort()).toEqual([PORT, linkNames.port('two')].sort());
    await ensureRuleset(nft, { ...intent, ports: intent.ports.filter(({ port }) => port !== PORT) });
    await forgetDrops(nft);
    expect([...(await readDrops(nft)).keys()]).toEqual([linkNames.port('two')]);
    expect(await rulesetStands(nft, { ...intent, ports: intent.ports.filter(({ port }) => port !== PORT) })).toBe(true);
  });

  test('floods of probes and broadcasts end at the rate, and unicast goes on', async () => {
    await ensureRuleset(nft, intent);
    const ask = ethernet(
      { from: one.mac, to: BROADCAST },
      0x0806,
      arp({ senderMac: one.mac, sender: one.ipv4, target: two.ipv4 }),
    );
    const shout = ethernet(
      { from: one.mac, to: BROADCAST },
      0x0800,
      ipv4({ from: one.ipv4, to: '10.10.255.255', protocol: 17 }, udp({ from: 9, to: 9 }, Buffer.from('hear me'))),
    );
    forger.send(enter('one'), [ask, shout], { repeat: 20_000 });
    const drops = (await readDrops(nft)).get(PORT);
    expect(drops?.rate).toBeGreaterThan(10_000);
    expect(await arrived([])).toEqual([]);
    forger.send(enter('two'), [
      ethernet(
        { from: two.mac, to: BROADCAST },
        0x0806,
        arp({ senderMac: two.mac, sender: two.ipv4, target: one.ipv4 }),
      ),
    ]);
    expect((await readDrops(nft)).get(linkNames.port('two'))).toBeUndefined();
  });
});

describe('an address that endpoints share', () => {
  const [V4, V6] = ['10.10.0.100', 'fd00:10::100'];
  const ALL = { mac: '33:33:00:00:00:01', address: 'ff02::1' };
  const planned = (holder: string, endpoints = ['far', 'one']) => {
    const states = new StateBuilder();
    for (const part of ['tenants', 'nodes', 'networks', 'endpoints'] as const) {
      for (const [id, record] of cluster[part]) (states[part] as Map<string, unknown>).set(id, record);
    }
    for (const address of [V4, V6]) states.share('acme-web', address, endpoints, holder);
    return planPortGuard(states.build(), { tenant: 'acme', node: 'A' });
  };
  const garp = { senderMac: one.mac, sender: V4, target: V4 };
  const frame = (type: number, payload: Buffer, to = BROADCAST) => ethernet({ from: one.mac, to }, type, payload);
  const advertised = (message: Buffer, from = V6, to = ALL.address) =>
    frame(0x86dd, ipv6({ from, to, next: 58 }, message), ALL.mac);
  const announcements = {
    'gratuitous ARP, a question': frame(0x0806, arp(garp)),
    'gratuitous ARP, an answer': frame(0x0806, arp({ ...garp, operation: 2 })),
    'an advertisement from the address': advertised(discovery(136, V6, [2, one.mac])),
    'an advertisement from link-local': advertised(discovery(136, V6, [2, one.mac]), one.linkLocal),
  };
  const from = frame(0x0800, ipv4({ from: V4, to: two.ipv4, protocol: 17 }, udp({ from: 9, to: 9 }, Buffer.from('x'))));
  const ordinary = {
    'ARP question in its name': frame(0x0806, arp({ ...garp, target: two.ipv4 })),
    'ARP answer in its name': frame(0x0806, arp({ ...garp, operation: 2, target: two.ipv4 })),
    'solicited advertisement': advertised(
      Buffer.concat([Buffer.from('8800000060000000', 'hex'), discovery(136, V6, [2, one.mac]).subarray(8)]),
      V6,
      two.ipv6,
    ),
    'solicitation from the address': advertised(discovery(135, two.ipv6, [1, one.mac])),
  };
  const asForgeries = (frames: Record<string, Buffer>) =>
    Object.entries(frames).map(([what, one]): Forgery => ({ what, reason: 'arp', frame: one }));
  const everything = [...asForgeries({ ...announcements, ...ordinary, 'a packet from it': from })];

  async function claimed(frames: Forgery[]): Promise<{ passed: string[]; claims: AddressClaim[] }> {
    const namespace = openNamespace(tenant);
    const stop = new AbortController();
    const log = new AnnouncementLog((error) => expect(error).toBeUndefined());
    const claims: AddressClaim[] = [];
    log.follow('acme', namespace);
    const reading = (async () => {
      for await (const claim of log.claims(stop.signal)) claims.push(claim);
    })();
    // The group is bound before anything is sent.
    await until(() => inside(tenant, 'cat', '/proc/net/netfilter/nfnetlink_log').trim() !== '', { what: 'the group' });
    const passed = await arrived(frames);
    stop.abort();
    await reading;
    log.close();
    namespace.close();
    return { passed, claims };
  }

  test('is spoken for by its holder as its own', async () => {
    await ensureRuleset(nft, planned('one'));
    expect(await claimed(everything)).toEqual({ passed: everything.map(({ what }) => what), claims: [] });
    expect(await readDrops(nft)).toEqual(new Map());
  });

  test('is claimed by announcements of those that may hold it, which go no further, and not taken otherwise', async () => {
    await ensureRuleset(nft, planned('far'));
    const heard = { namespace: 'acme', mac: one.mac, at: expect.any(Number) as number };
    const v4 = { ...heard, address: V4 };
    const v6 = { ...heard, address: V6 };
    expect(await claimed(everything)).toEqual({ passed: ['a packet from it'], claims: [v4, v4, v6, v6] });
    expect(await readDrops(nft)).toEqual(new Map([[PORT, { arp: 2, 'neighbour-discovery': 2 }]]));
  });

  test('is claimed a few times a second, however often it is announced', async () => {
    await ensureRuleset(nft, planned('far'));
    const many = Array.from({ length: 500 }, () => asForgeries(announcements)).flat();
    const { passed, claims } = await claimed(many);
    expect(passed).toEqual([]);
    expect(claims.length).toBeLessThan(50);
    expect((await readDrops(nft)).get(PORT)?.rate).toBe(2_000 - claims.length);
  });

  test('is another’s to all others', async () => {
    await ensureRuleset(nft, planned('far', ['far']));
    expect(await claimed(everything)).toEqual({ passed: [], claims: [] });
    expect(await readDrops(nft)).toEqual(new Map([[PORT, { arp: 4, 'neighbour-discovery': 1, 'source-address': 4 }]]));
  });

  test('is told to the containers of a bridge in both families', async () => {
    const namespace = openNamespace(tenant);
    const rt = RouteSocket.open({ netns: namespace.fd });
    const bridge = await rt.links.get({ name: 'wb1' });
    rt.close();
    capture = await FrameCapture.start(enter('two'), 'eth0');
    for (const address of [V4, V6]) announce(namespace, bridge?.index ?? 0, { address, mac: one.mac });
    namespace.close();
    const told = frame(0x0806, arp(garp));
    // with the flag that overrides what is known, and a checksum before it
    const message = discovery(136, V6, [2, one.mac]);
    message[4] = 0x20;
    await until(() => capture.saw(told) && capture.saw(message.subarray(4)), { what: 'both announcements' });
    await capture.stop();
  });
});
