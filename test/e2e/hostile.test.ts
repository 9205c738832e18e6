/**
 * A container that is root with NET_RAW and NET_ADMIN, against its own network, another tenant and the hosts:
 *
 *   acme/web  host1: evil v1   host2: v2          beta/web  host1: b1   host2: b2
 *
 * and, on host1, foreign behind a bridge that is none of weft's, as Docker's own containers are.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EndpointView, NetworkView } from '../../src/control/port.ts';
import type { SharedAddressView } from '../../src/control/sharing/port.ts';
import { CONNECTIONS } from '../../src/kernel/ceilings.ts';
import { labUp } from '../../src/lab/lab.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { OUTSIDE } from '../../src/lab/underlay.ts';
import { formatAddress } from '../../src/model/address/address.ts';
import { linkLocalOf, macFor } from '../../src/model/address/mac.ts';
import { inTenant, json, run } from '../support/docker.ts';
import { Forger } from '../support/forge.ts';
import type { Enter } from '../support/forge.ts';
import { forgeries } from '../support/forgeries.ts';
import type { Forgery, Party } from '../support/forgeries.ts';
import { FrameCapture } from '../support/frame-capture.ts';
import { arp, BROADCAST, discovery, ethernet, ipv4, ipv6, udp, vxlan } from '../support/frames.ts';
import { until } from '../support/until.ts';

const PUBLISHED = 17_777;
const ENDPOINTS = {
  evil: ['acme/web', 1],
  v1: ['acme/web', 1, `${PUBLISHED}:9/udp`],
  v2: ['acme/web', 2, `${PUBLISHED}:9/udp`],
  b1: ['beta/web', 1],
  b2: ['beta/web', 2],
} as const;
type Name = keyof typeof ENDPOINTS;
const NAMES = Object.keys(ENDPOINTS) as Name[];
const SUBNETS = {
  'acme/web': ['10.10.0.0/16', 'fd00:10::/64'],
  'beta/web': ['10.77.0.0/16', 'fd00:77::/64'],
};
const FOREIGN = { bridge: '02:42:00:00:00:01', mac: '02:42:00:00:00:02', gateway: '172.17.0.1', ipv4: '172.17.0.2' };
const NOBODY = { ipv4: '10.10.9.9', ipv6: 'fd00:10::9999' };
const [IPV4, ARP, IPV6, UDP] = [0x0800, 0x0806, 0x86dd, 17];
const OVERLAY_PORT = 14789;
const INSPECT = ['weft', 'endpoint', 'inspect', 'acme/web/evil'];
/** the forging tool writes another number into each copy */
const MARK = { address: '255.238.221.204', mac: '02:00:ff:ee:dd:cc' };
const MARK_PORTS = [0xffee, 0xddcc] as const;

let lab: Lab;
let forger: Forger;
const parties = new Map<Name, Party>();
const vnis = new Map<string, number>();

beforeAll(async () => {
  forger = new Forger();
  lab = await labUp({ name: `hostile-${process.pid}`, hosts: 2, engine: 'none' });
  for (const [name, subnets] of Object.entries(SUBNETS)) {
    await run(lab.host(1), 'weft', 'tenant', 'create', name.split('/')[0] ?? '');
    const options = subnets.flatMap((subnet) => ['--subnet', subnet]);
    const network = await json<NetworkView>(lab.host(1), 'weft', 'network', 'create', name, ...options);
    vnis.set(name, network.vni);
  }
  await Promise.all([...NAMES.map(attach), bridgeForeign()]);
  for (const [from, to] of [
    ['evil', 'v2'],
    ['v1', 'v2'],
    ['b1', 'b2'],
  ] as const) {
    await until(() => pings(from, party(to).ipv4), { what: `${from} reaches ${to}`, deadline: 30_000 });
  }
});

afterAll(async () => {
  forger.remove();
  await lab.down();
});

async function attach(name: Name): Promise<void> {
  const [network, number, published] = [...ENDPOINTS[name], undefined] as const;
  const host = lab.host(number);
  await run(host, 'ip', 'netns', 'add', name);
  const ports = published === undefined ? [] : ['-p', published];
  const words = ['weft', 'endpoint', 'attach', network, '--netns', `/run/netns/${name}`, '--name', name, ...ports];
  const { addresses, mac } = await json<EndpointView>(host, ...words);
  const [first = '', second = ''] = addresses.map((cidr) => cidr.split('/')[0] ?? '').sort(byFamily);
  parties.set(name, { mac, ipv4: first, ipv6: second, linkLocal: formatAddress(linkLocalOf(mac)) });
}

/** As dockerd does it: a bridge, a veth, and source NAT for what leaves. */
async function bridgeForeign(): Promise<void> {
  const { bridge, mac, gateway, ipv4: address } = FOREIGN;
  const ip = (...words: string[]) => run(lab.host(1), 'ip', ...words);
  await ip('netns', 'add', 'foreign');
  await ip('link', 'add', 'docker0', 'address', bridge, 'type', 'bridge');
  await ip('address', 'add', `${gateway}/16`, 'dev', 'docker0');
  const peer = ['peer', 'name', 'eth0', 'address', mac, 'netns', 'foreign'];
  await ip('link', 'add', 'vforeign', 'up', 'master', 'docker0', 'type', 'veth', ...peer);
  await ip('link', 'set', 'docker0', 'up');
  await ip('-n', 'foreign', 'address', 'add', `${address}/16`, 'dev', 'eth0');
  await ip('-n', 'foreign', 'link', 'set', 'eth0', 'up');
  await ip('-n', 'foreign', 'route', 'add', 'default', 'via', gateway);
  const chain = '{ type nat hook postrouting priority 100 ; }';
  await run(lab.host(1), 'nft', 'add', 'table', 'ip', 'foreign');
  await run(lab.host(1), 'nft', 'add', 'chain', 'ip', 'foreign', 'out', chain);
  const masquerade = ['ip', 'saddr', '172.17.0.0/16', 'oifname', '!=', 'docker0', 'masquerade'];
  await run(lab.host(1), 'nft', 'add', 'rule', 'ip', 'foreign', 'out', ...masquerade);
}

function byFamily(a: string, b: string): number {
  return Number(a.includes(':')) - Number(b.includes(':'));
}

const party = (name: Name) => parties.get(name)!;

/** A command in the endpoint's namespace, from outside of its host. */
function enter(name: Name | 'foreign'): Enter {
  const number = name === 'foreign' ? 1 : ENDPOINTS[name][1];
  return ['nsenter', `--net=/proc/${lab.host(number).initPid}/root/run/netns/${name}`];
}

async function pings(from: Name, to: string): Promise<boolean> {
  const [command, ...args] = [...enter(from), 'ping', '-c', '1', '-W', '1', to] as const;
  const [code] = (await once(spawn(command, args, { stdio: 'ignore' }), 'exit')) as [number | null];
  return code === 0;
}

function gatewayMac(): string {
  return macFor(vnis.get('acme/web')!, '10.10.0.1');
}

/** Of a last frame that each victim may get: what has not come before it does not come. */
function ends(): Buffer[] {
  return (['v1', 'v2'] as const).map((name) =>
    ethernet(
      { from: party('evil').mac, to: party(name).mac },
      IPV4,
      ipv4(
        { from: party('evil').ipv4, to: party(name).ipv4, protocol: UDP },
        udp({ from: 9, to: 9 }, Buffer.from('end')),
      ),
    ),
  );
}

/** Which of these bytes arrived where, after the frames were sent from an interface. */
async function arrivals(
  frames: Buffer[],
  traces: Map<string, Buffer>,
  from: 'evil' | 'foreign' = 'evil',
): Promise<string[]> {
  const watched = ['v1', 'v2', 'b1', 'b2'] as const;
  const captures = new Map<string, FrameCapture>();
  for (const name of watched) captures.set(name, await FrameCapture.start(enter(name), 'eth0'));
  captures.set('underlay', await FrameCapture.start(['nsenter', '-t', String(lab.switchPid), '-n'], 'any'));
  try {
    const [toV1, toV2] = ends() as [Buffer, Buffer];
    forger.send(enter(from), frames);
    forger.send(enter('evil'), [toV1, toV2]);
    await until(() => captures.get('v1')!.saw(toV1), { what: 'the last frame at v1' });
    await until(() => captures.get('v2')!.saw(toV2), { what: 'the last frame at v2' });
    await until(() => captures.get('underlay')!.saw(toV2), { what: 'the last frame on the underlay' });
    return [...captures].flatMap(([place, capture]) =>
      [...traces].filter(([, bytes]) => capture.saw(bytes)).map(([what]) => `${what} at ${place}`),
    );
  } finally {
    await Promise.all([...captures.values()].map((capture) => capture.stop()));
  }
}

describe('a hostile container', () => {
  it('forges nothing that arrives anywhere, and its host counts why', async () => {
    const all = (['v1', 'v2'] as const).flatMap((name) => forgeries(party('evil'), party(name), NOBODY));
    const traces = new Map(all.map(({ what, frame }, i) => [`${i} ${what}`, frame]));
    const frames = all.map(({ frame }) => frame);
    expect(await arrivals(frames, traces)).toEqual([]);
    const { drops } = await json<EndpointView>(lab.host(1), 'weft', 'endpoint', 'inspect', 'acme/web/evil');
    for (const [reason, count] of Object.entries(counts(all))) {
      expect({ reason, enough: (drops[reason] ?? 0) >= count }).toEqual({ reason, enough: true });
    }
    const elsewhere = await json<EndpointView>(lab.host(2), 'weft', 'endpoint', 'inspect', 'acme/web/evil');
    expect(elsewhere.drops).toEqual({});
  });

  it('reaches no other tenant: not by the gateway, not by MAC, not by VXLAN of its own', async () => {
    const traces = new Map<string, Buffer>();
    const frames: Buffer[] = [];
    const text = (what: string) => {
      const bytes = Buffer.from(`astray: ${what}`);
      traces.set(what, bytes);
      return bytes;
    };
    const evil = party('evil');
    const toGateway = { from: evil.mac, to: gatewayMac() };
    for (const name of ['b1', 'b2'] as const) {
      const other = party(name);
      const datagram = (what: string) => udp({ from: 9, to: 9 }, text(`${name} ${what}`));
      const inner = (what: string) =>
        ethernet(
          { from: macFor(vnis.get('beta/web')!, '10.77.0.1'), to: other.mac },
          IPV4,
          ipv4({ from: '10.77.0.1', to: other.ipv4, protocol: UDP }, datagram(what)),
        );
      for (const to of [gatewayMac(), other.mac, BROADCAST]) {
        frames.push(
          ethernet(
            { from: evil.mac, to },
            IPV4,
            ipv4({ from: evil.ipv4, to: other.ipv4, protocol: UDP }, datagram(to)),
          ),
          ethernet(
            { from: evil.mac, to },
            IPV6,
            ipv6({ from: evil.ipv6, to: other.ipv6, next: UDP }, datagram(`${to} 6`)),
          ),
        );
      }
      for (const host of lab.hosts) {
        const encapsulated = vxlan({ vni: vnis.get('beta/web')!, frame: inner(`VXLAN to ${host.name}`) });
        const packet = udp({ from: 4242, to: OVERLAY_PORT }, encapsulated);
        const four = { from: evil.ipv4, to: host.address4, protocol: UDP };
        frames.push(ethernet(toGateway, IPV4, ipv4(four, packet)));
        const encapsulated6 = vxlan({ vni: vnis.get('beta/web')!, frame: inner(`VXLAN to ${host.name} 6`) });
        const packet6 = udp({ from: 4242, to: OVERLAY_PORT }, encapsulated6);
        frames.push(ethernet(toGateway, IPV6, ipv6({ from: evil.ipv6, to: host.address6, next: UDP }, packet6)));
      }
    }
    // Broadcasts are its own network's, and v1 stands there.
    const found = await arrivals(frames, traces);
    expect(found.filter((what) => !what.endsWith('at v1'))).toEqual([]);
    expect(found.every((what) => what.includes(BROADCAST))).toBe(true);
  });

  it.each([
    ['a container of weft', 'evil'],
    ['a container of Docker’s own', 'foreign'],
  ] as const)('sends VXLAN from %s by published ports to who publishes them, and into no overlay', async (_, from) => {
    const evil = party('evil');
    const traces = new Map<string, Buffer>();
    const inner = (target: 'b1' | 'b2', what: string) => {
      const bytes = Buffer.from(`astray: ${what}`);
      traces.set(what, bytes);
      const mac = macFor(vnis.get('beta/web')!, '10.77.0.1');
      const packet = ipv4({ from: '10.77.0.1', to: party(target).ipv4, protocol: UDP }, udp({ from: 9, to: 9 }, bytes));
      return vxlan({ vni: vnis.get('beta/web')!, frame: ethernet({ from: mac, to: party(target).mac }, IPV4, packet) });
    };
    const to = from === 'evil' ? { from: evil.mac, to: gatewayMac() } : { from: FOREIGN.mac, to: FOREIGN.bridge };
    const source = from === 'evil' ? evil.ipv4 : FOREIGN.ipv4;
    const frames = lab.hosts.flatMap(({ name, address4, address6 }) =>
      (['b1', 'b2'] as const).flatMap((target) =>
        [PUBLISHED, OVERLAY_PORT].flatMap((port) => {
          const datagram = (what: string) => udp({ from: 4243, to: port }, inner(target, what));
          const four = { from: source, to: address4, protocol: UDP };
          const six = { from: evil.ipv6, to: address6, next: UDP };
          const frame4 = ethernet(to, IPV4, ipv4(four, datagram(`${target} by ${name} port ${port}`)));
          if (from === 'foreign') return [frame4];
          return [frame4, ethernet(to, IPV6, ipv6(six, datagram(`6: ${target} by ${name} port ${port}`)))];
        }),
      ),
    );
    const found = await arrivals(frames, traces, from);
    expect(found.filter((what) => /at b[12]$/.test(what))).toEqual([]);
    expect(found.filter((what) => what.includes(`port ${OVERLAY_PORT}`))).toEqual([]);
    for (const [number, at] of [
      [1, 'v1'],
      [2, 'v2'],
    ] as const) {
      expect(found).toContain(`b1 by host${number} port ${PUBLISHED} at ${at}`);
      if (from === 'evil') expect(found).toContain(`6: b1 by host${number} port ${PUBLISHED} at ${at}`);
    }
  });

  it('fills no table with scans and floods, while others lose nothing', async () => {
    const evil = party('evil');
    // Without a router nothing is forwarded, and nothing looked up for it.
    await run(lab.host(1), 'weft', 'network', 'create', 'acme/db', '--subnet', '10.20.0.0/16');
    await run(lab.host(1), 'weft', 'router', 'create', 'acme/core', '--network', 'web', '--network', 'db');
    await until(() => pings('evil', '10.20.0.1'), { what: 'evil reaches the other gateway', deadline: 30_000 });
    const neighbours = async () =>
      (await inTenant(lab.host(1), 'acme', 'ip', 'neigh', 'show', 'nud', 'all')).split('\n').length;
    const entries = async () => (await inTenant(lab.host(1), 'acme', 'bridge', 'fdb', 'show')).split('\n').length;
    const before = { neighbours: await neighbours(), entries: await entries() };
    const pairs = [party('v2').ipv4, OUTSIDE.ipv4, OUTSIDE.ipv6].map(async (to) => {
      const [command, ...words] = [...enter('v1'), 'ping', '-q', '-i', '0.02', '-c', '200', '-W', '5', to] as const;
      const ping = spawn(command, words, { stdio: ['ignore', 'pipe', 'inherit'] });
      let summary = '';
      ping.stdout.on('data', (data: Buffer) => (summary += data.toString()));
      await once(ping, 'exit');
      return summary;
    });
    const asks = { senderMac: evil.mac, sender: evil.ipv4, target: MARK.address };
    const all = { from: evil.mac, to: BROADCAST };
    const tiny = udp({ from: 9, to: 9 }, Buffer.from('scan'));
    const subnet = { repeat: 65_536, base: 0x0a0a0000 };
    forger.send(enter('evil'), [ethernet(all, ARP, arp(asks))], subnet);
    const scan = ipv4({ from: evil.ipv4, to: MARK.address, protocol: UDP }, tiny);
    const routed = ethernet({ from: evil.mac, to: gatewayMac() }, IPV4, scan);
    forger.send(enter('evil'), [routed], subnet);
    forger.send(enter('evil'), [routed], { repeat: 65_536, base: 0x0a140000 });
    const forged = ipv4({ from: MARK.address, to: party('v1').ipv4, protocol: UDP }, tiny);
    forger.send(enter('evil'), [ethernet({ from: MARK.mac, to: party('v1').mac }, IPV4, forged)], { repeat: 65_536 });
    // Connections to the outside, to a port each: the mark stands where the ports are.
    const flow = udp({ from: MARK_PORTS[0], to: MARK_PORTS[1] }, Buffer.from('flow'));
    const out = { from: evil.mac, to: gatewayMac() };
    const flows = [
      ethernet(out, IPV4, ipv4({ from: evil.ipv4, to: OUTSIDE.ipv4, protocol: UDP }, flow)),
      ethernet(out, IPV4, ipv4({ from: evil.ipv4, to: '10.10.0.1', protocol: UDP }, flow)),
    ];
    for (const frame of flows) forger.send(enter('evil'), [frame], { repeat: 65_536, base: 0x9c40_0000 });
    for (const summary of await Promise.all(pairs)) expect(summary).toContain('200 received, 0% packet loss');
    // A listing leaves out those that are over and not yet collected.
    const count = ['sh', '-c', 'conntrack -L -f ipv4 2>/dev/null | wc -l'] as const;
    const tracked = [await run(lab.host(1), ...count), await inTenant(lab.host(1), 'acme', ...count)];
    for (const text of tracked) expect(Number(text)).toBeLessThan(CONNECTIONS + 1_000);
    expect(await neighbours()).toBeLessThan(before.neighbours + 20);
    expect(await entries()).toBe(before.entries);
    const { drops } = await json<EndpointView>(lab.host(1), 'weft', 'endpoint', 'inspect', 'acme/web/evil');
    expect(drops['unknown-target']).toBeGreaterThan(65_000);
    expect(drops['source-mac']).toBeGreaterThanOrEqual(65_536);
    expect(drops['connections']).toBeGreaterThan(100_000);
  });
});

/** v1 and v2 have both addresses in their configuration, as keepalived's machines do; answers tell their senders by the TTL. */
describe('an address that moves', () => {
  const SHARED = ['10.10.0.100', 'fd00:10::100'] as const;
  const TTL = { v1: 41, v2: 42 } as const;
  const weft = (...words: string[]) => run(lab.host(1), 'weft', 'address', ...words);
  const holders = async () => {
    const list = await json<SharedAddressView[]>(lab.host(2), 'weft', 'address', 'ls', 'acme/web');
    return list.map(({ holder, by }) => `${holder} by ${by}`);
  };
  /** Pings that never end, so that what the sender knows of the address stays in use. */
  const asked = new Map<string, { ttls: () => number; end: () => Promise<unknown> }>();

  beforeAll(async () => {
    for (const [name, ttl] of Object.entries(TTL) as ['v1' | 'v2', number][]) {
      await inside(name, 'sysctl', '-qw', `net.ipv4.ip_default_ttl=${ttl}`, `net.ipv6.conf.eth0.hop_limit=${ttl}`);
      await inside(name, 'ip', 'address', 'add', `${SHARED[0]}/32`, 'dev', 'eth0');
      await inside(name, 'ip', 'address', 'add', `${SHARED[1]}/128`, 'dev', 'eth0', 'nodad');
    }
    for (const address of SHARED) await weft('share', 'acme/web', address, 'v1', 'v2');
    for (const address of SHARED) asked.set(address, pinger('evil', address));
  });

  afterAll(async () => {
    await Promise.all([...asked.values()].map(({ end }) => end()));
  });

  async function inside(name: Name, ...words: string[]): Promise<void> {
    const [command, ...args] = [...enter(name), ...words] as const;
    const [code] = (await once(spawn(command, args, { stdio: 'ignore' }), 'exit')) as [number | null];
    expect(code, words.join(' ')).toBe(0);
  }

  function pinger(from: Name, to: string) {
    const [command, ...args] = [...enter(from), 'ping', '-i', '0.05', '-W', '1', to] as const;
    const ping = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(ping, 'exit');
    let last = 0;
    ping.stdout.on('data', (data: Buffer) => (last = Number(/.*ttl=(\d+)/s.exec(data.toString())?.[1] ?? last)));
    return { ttls: () => last, end: () => (ping.kill('SIGINT'), ended) };
  }

  async function answeredBy(name: 'v1' | 'v2'): Promise<void> {
    const all = () => [...asked.values()].every(({ ttls }) => ttls() === TTL[name]);
    await until(all, { what: `${name} answers on both addresses`, deadline: 10_000 });
  }

  function announcements(name: 'evil' | 'v1' | 'v2'): Buffer[] {
    const { mac } = party(name);
    const garp = arp({ senderMac: mac, sender: SHARED[0], target: SHARED[0] });
    const toAll = { from: SHARED[1], to: 'ff02::1', next: 58 };
    return [
      ethernet({ from: mac, to: BROADCAST }, ARP, garp),
      ethernet({ from: mac, to: '33:33:00:00:00:01' }, IPV6, ipv6(toAll, discovery(136, SHARED[1], [2, mac]))),
    ];
  }

  it('is answered by the first of its endpoints, though the others have it too', async () => {
    await answeredBy('v1');
    const { shared } = await json<EndpointView>(lab.host(1), 'weft', 'endpoint', 'inspect', 'acme/web/v1');
    expect(shared).toEqual(SHARED.map((address) => ({ address, holds: true })));
  });

  it('moves by command, and a conversation with it goes on with the other', async () => {
    for (const address of SHARED) await weft('move', 'acme/web', address, 'v2');
    await answeredBy('v2');
    for (const address of SHARED) await weft('move', 'acme/web', address, 'v1');
    await answeredBy('v1');
  });

  it('moves to the one of its endpoints that announces it, and to nobody else', async () => {
    forger.send(enter('v2'), announcements('v2'));
    await answeredBy('v2');
    expect(await holders()).toEqual(['v2 by announcement', 'v2 by announcement']);
    const drops = async () => (await json<EndpointView>(lab.host(1), ...INSPECT)).drops;
    const before = await drops();
    forger.send(enter('evil'), announcements('evil'));
    const after = await drops();
    const more = (reason: string) => (after[reason] ?? 0) - (before[reason] ?? 0);
    expect([more('arp'), more('source-address')]).toEqual([1, 1]);
    forger.send(enter('v1'), announcements('v1'));
    await answeredBy('v1');
    expect(await holders()).toEqual(['v1 by announcement', 'v1 by announcement']);
  });

  it('stays with its holder while weftd is away where it is announced', async () => {
    await lab.host(2).kill('weftd');
    forger.send(enter('v2'), announcements('v2'));
    expect(await pings('evil', SHARED[0])).toBe(true);
    await answeredBy('v1');
    await lab.host(2).start('weftd');
    expect(await holders()).toEqual(['v1 by announcement', 'v1 by announcement']);
  });

  it('is nobody’s once its holder is gone, until another announces it', async () => {
    await run(lab.host(1), 'weft', 'endpoint', 'detach', 'acme/web/v1');
    await until(async () => (await holders()).every((who) => who.startsWith(' ')), { what: 'nobody has it' });
    forger.send(enter('v2'), announcements('v2'));
    await answeredBy('v2');
    for (const address of SHARED) await weft('unshare', 'acme/web', address);
    await until(async () => !(await pings('evil', SHARED[0])), { what: 'nobody answers' });
  });
});

function counts(frames: Forgery[]): Record<string, number> {
  const byReason: Record<string, number> = {};
  for (const { reason } of frames) byReason[reason] = (byReason[reason] ?? 0) + 1;
  return byReason;
}
