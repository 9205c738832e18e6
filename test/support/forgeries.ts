/** What a hostile container may put on its interface, with the reason for which the port guard has to drop it. */
import type { DropReason } from '../../src/plan/port-guard/intent.ts';
import { arp, BROADCAST, discovery, ethernet, extension, fragment, icmp, ipv4, ipv6, tagged, udp } from './frames.ts';

export interface Party {
  mac: string;
  ipv4: string;
  ipv6: string;
  linkLocal: string;
}

export interface Forgery {
  what: string;
  reason: DropReason;
  frame: Buffer;
}

const [IPV4, ARP, IPV6] = [0x0800, 0x0806, 0x86dd];
const [ICMP, TCP, UDP, ICMPV6] = [1, 6, 17, 58];
const [HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION] = [0, 43, 44, 60];
const ALL_NODES = { mac: '33:33:00:00:00:01', address: 'ff02::1' };
const STRANGER = { mac: '02:66:66:66:66:66', ipv4: '203.0.113.66', ipv6: '2001:db8:66::66' };
const TEXT = Buffer.from('forged by a container');

/** `own` sends, `victim` is another endpoint of the same network, `nobody` an IPv4 and an IPv6 address without one. */
export function forgeries(own: Party, victim: Party, nobody: { ipv4: string; ipv6: string }): Forgery[] {
  const direct = { from: own.mac, to: victim.mac };
  const all = { from: own.mac, to: BROADCAST };
  const ports = udp({ from: 4242, to: 4242 }, TEXT);
  const ip = (fields: Partial<Parameters<typeof ipv4>[0]>, payload = ports) =>
    ethernet(direct, IPV4, ipv4({ from: own.ipv4, to: victim.ipv4, protocol: UDP, ...fields }, payload));
  const ip6 = (fields: Partial<Parameters<typeof ipv6>[0]>, payload = ports) =>
    ethernet(direct, IPV6, ipv6({ from: own.ipv6, to: victim.ipv6, next: UDP, ...fields }, payload));
  const nd = (message: Buffer, fields: Partial<Parameters<typeof ipv6>[0]> = {}) =>
    ip6({ next: ICMPV6, from: own.linkLocal, ...fields }, message);
  const group = (message: Buffer, from = own.linkLocal) =>
    ethernet({ from: own.mac, to: ALL_NODES.mac }, IPV6, ipv6({ from, to: ALL_NODES.address, next: ICMPV6 }, message));
  const asOwn = { senderMac: own.mac, sender: own.ipv4, target: victim.ipv4 };
  const plain = ip({});
  return [
    ...list('source-mac', {
      'a stranger MAC': Buffer.concat([plain.subarray(0, 6), bytesOf(STRANGER.mac), plain.subarray(12)]),
      'the victim MAC, IPv6': ethernet(
        { from: victim.mac, to: own.mac },
        IPV6,
        ip6({ from: victim.ipv6 }).subarray(14),
      ),
      'ARP from a stranger MAC': ethernet({ ...all, from: STRANGER.mac }, ARP, arp(asOwn)),
      'a probe for an address from a stranger MAC': ethernet(
        { from: STRANGER.mac, to: ALL_NODES.mac },
        IPV6,
        ipv6({ from: '::', to: ALL_NODES.address, next: ICMPV6 }, discovery(135, own.ipv6)),
      ),
    }),
    ...list('source-address', {
      'a stranger IPv4': ip({ from: STRANGER.ipv4 }),
      'the victim IPv4': ip({ from: victim.ipv4 }),
      'no IPv4': ip({ from: '0.0.0.0' }),
      'a stranger IPv4 in a later fragment': ip({ from: STRANGER.ipv4, fragment: 5 }),
      'a stranger IPv6': ip6({ from: STRANGER.ipv6 }),
      'a stranger link-local': ip6({ from: 'fe80::66' }),
      'no IPv6': ip6({ from: '::' }),
    }),
    ...list('arp', {
      'ARP answer for the victim': ethernet(all, ARP, arp({ ...asOwn, operation: 2, sender: victim.ipv4 })),
      'ARP question in the name of the victim': ethernet(all, ARP, arp({ ...asOwn, sender: victim.ipv4 })),
      'ARP with another MAC inside': ethernet(all, ARP, arp({ ...asOwn, senderMac: STRANGER.mac })),
      'ARP probe for the victim': ethernet(all, ARP, arp({ ...asOwn, sender: '0.0.0.0' })),
      'reverse ARP in an ARP frame': ethernet(all, ARP, arp({ ...asOwn, operation: 3 })),
      'ARP about another hardware': ethernet(all, ARP, arp({ ...asOwn, hardware: 6 })),
    }),
    ...list('neighbour-discovery', {
      'advertisement of the victim': group(discovery(136, victim.ipv6, [2, own.mac])),
      'advertisement with another MAC': group(discovery(136, own.ipv6, [2, STRANGER.mac])),
      'advertisement with two options': group(
        Buffer.concat([discovery(136, own.ipv6, [2, own.mac]), Buffer.from('0201026666666666', 'hex')]),
      ),
      'solicitation with another MAC': nd(discovery(135, victim.ipv6, [1, STRANGER.mac])),
      'solicitation with another option': nd(discovery(135, victim.ipv6, [2, own.mac])),
      'a probe for the address of the victim': group(discovery(135, victim.ipv6), '::'),
      'a probe that tells a MAC': group(discovery(135, own.ipv6, [1, STRANGER.mac]), '::'),
      'router solicitation with another MAC': nd(
        Buffer.concat([Buffer.from('8500000000000000', 'hex'), Buffer.from([1, 1]), bytesOf(STRANGER.mac)]),
      ),
      'advertisement in a fragment': ip6(
        { next: FRAGMENT },
        fragment(ICMPV6, { offset: 0, more: true }, discovery(136, own.ipv6)),
      ),
    }),
    ...list('router', {
      'router advertisement': group(Buffer.concat([Buffer.from('86000000400000ff', 'hex'), Buffer.alloc(8)])),
      'IPv6 redirect': nd(Buffer.concat([Buffer.from('89000000', 'hex'), Buffer.alloc(36)])),
      'listener query': group(Buffer.concat([Buffer.from('82000000', 'hex'), Buffer.alloc(20)])),
      'IPv4 redirect': ip({ protocol: ICMP }, icmp(5, Buffer.alloc(32))),
      'IPv4 router advertisement': ip({ protocol: ICMP }, icmp(9, Buffer.alloc(12))),
    }),
    ...list('dhcp-server', {
      'DHCP offer': ip({}, udp({ from: 67, to: 68 }, TEXT)),
      'DHCP offer from another port': ip({}, udp({ from: 4242, to: 68 }, TEXT)),
      'DHCP offer in a first fragment': ip({ fragment: 0x2000 }, udp({ from: 67, to: 4242 }, Buffer.alloc(0))),
      'DHCPv6 reply': ip6({}, udp({ from: 547, to: 546 }, TEXT)),
      'DHCPv6 reply in a fragment': ip6(
        { next: FRAGMENT },
        fragment(UDP, { offset: 0, more: true }, udp({ from: 547, to: 546 }, TEXT)),
      ),
    }),
    ...list('ethertype', {
      'VLAN tag': tagged(plain),
      'VLAN tag with priority only': tagged(plain, { vlan: 0 }),
      'two VLAN tags': tagged(tagged(plain), { type: 0x88a8 }),
      'reverse ARP': ethernet(all, 0x8035, arp({ ...asOwn, operation: 3 })),
      'an unknown protocol': ethernet(direct, 0x88b5, TEXT),
      'spanning tree': ethernet({ from: own.mac, to: '01:80:c2:00:00:00' }, 38, Buffer.alloc(38, 0x42)),
    }),
    ...list('ip-options', {
      'loose source route': ip({ options: Buffer.from('8307040a0a0a0100', 'hex') }),
      'strict source route': ip({ options: Buffer.from('8907040a0a0a0100', 'hex') }),
      'record route': ip({ options: Buffer.from('0707040000000000', 'hex') }),
      'router alert without IGMP': ip({ options: Buffer.from('94040000', 'hex') }),
    }),
    ...list('extension-header', {
      'routing header': ip6({ next: ROUTING }, extension(UDP, ports, '00000000')),
      'destination options': ip6({ next: DESTINATION }, extension(UDP, ports)),
      'hop-by-hop options before UDP': ip6({ next: HOP_BY_HOP }, extension(UDP, ports)),
      'an advertisement behind destination options': ip6(
        { next: DESTINATION },
        extension(ICMPV6, discovery(136, victim.ipv6, [2, own.mac])),
      ),
      'an advertisement behind hop-by-hop options': ip6(
        { next: HOP_BY_HOP },
        extension(ICMPV6, discovery(136, victim.ipv6, [2, own.mac])),
      ),
      'a fragment with destination options first': ip6(
        { next: FRAGMENT },
        fragment(DESTINATION, { offset: 0, more: true }, extension(ICMPV6, Buffer.alloc(0))),
      ),
      'a fragment within a fragment': ip6(
        { next: FRAGMENT },
        fragment(FRAGMENT, { offset: 0, more: true }, fragment(ICMPV6, { offset: 0, more: false }, TEXT)),
      ),
    }),
    ...list('icmpv6', {
      'node information query': nd(Buffer.concat([Buffer.from('8b000000', 'hex'), Buffer.alloc(28)])),
      'an ICMPv6 header without a type': nd(Buffer.alloc(0)),
    }),
    ...list('unknown-target', {
      'ARP for an address of nobody': ethernet(all, ARP, arp({ ...asOwn, target: nobody.ipv4 })),
      'solicitation of an address of nobody': group(discovery(135, nobody.ipv6, [1, own.mac])),
    }),
  ];
}

/** What any kernel sends by itself or its programs do, and must pass. */
export function honest(own: Party, victim: Party): Forgery[] {
  const direct = { from: own.mac, to: victim.mac };
  const toAll = { from: own.mac, to: ALL_NODES.mac };
  const ports = udp({ from: 4242, to: 4243 }, Buffer.from('honest'));
  const v6 = (payload: Buffer, fields: Partial<Parameters<typeof ipv6>[0]> = {}) =>
    ipv6({ from: own.ipv6, to: victim.ipv6, next: ICMPV6, ...fields }, payload);
  const v4 = (payload: Buffer, fields: Partial<Parameters<typeof ipv4>[0]> = {}) =>
    ipv4({ from: own.ipv4, to: victim.ipv4, protocol: UDP, ...fields }, payload);
  const report = Buffer.concat([Buffer.from('8f00000000000001', 'hex'), Buffer.alloc(20, 4)]);
  const nonce = '06:05:04:03:02:01';
  const asks = { senderMac: own.mac, sender: own.ipv4, target: victim.ipv4 };
  const toSelf = { ...asks, target: own.ipv4 };
  const igmp = { to: '224.0.0.22', protocol: 2, options: Buffer.from('94040000', 'hex') };
  const all = { ...direct, to: BROADCAST };
  return list('rate', {
    UDP: ethernet(direct, IPV4, v4(ports)),
    TCP: ethernet(direct, IPV4, v4(Buffer.alloc(20, 1), { protocol: TCP })),
    'a first fragment': ethernet(direct, IPV4, v4(ports, { fragment: 0x2000 })),
    'a later fragment': ethernet(direct, IPV4, v4(Buffer.from('later'), { fragment: 5 })),
    echo: ethernet(direct, IPV4, v4(icmp(8, Buffer.from('ping')), { protocol: ICMP })),
    'IGMP report': ethernet({ ...direct, to: '01:00:5e:00:00:16' }, IPV4, v4(Buffer.alloc(16, 2), igmp)),
    'ARP question': ethernet(all, ARP, arp(asks)),
    'ARP answer': ethernet(direct, ARP, arp({ ...asks, operation: 2 })),
    'ARP announcement': ethernet(all, ARP, arp(toSelf)),
    'ARP probe': ethernet(all, ARP, arp({ ...toSelf, sender: '0.0.0.0' })),
    'UDP over IPv6': ethernet(direct, IPV6, v6(ports, { next: UDP })),
    'a first fragment of a long ping': ethernet(
      direct,
      IPV6,
      v6(fragment(ICMPV6, { offset: 0, more: true }, Buffer.from('8000000000000000', 'hex')), { next: FRAGMENT }),
    ),
    'a later fragment over IPv6': ethernet(
      direct,
      IPV6,
      v6(fragment(ICMPV6, { offset: 1232, more: false }, Buffer.alloc(30, 6)), { next: FRAGMENT }),
    ),
    'echo over IPv6': ethernet(direct, IPV6, v6(Buffer.from('8000000000770001', 'hex'))),
    solicitation: ethernet(direct, IPV6, v6(discovery(135, victim.ipv6, [1, own.mac]))),
    'solicitation from link-local': ethernet(
      toAll,
      IPV6,
      v6(discovery(135, victim.linkLocal, [1, own.mac]), { from: own.linkLocal }),
    ),
    advertisement: ethernet(toAll, IPV6, v6(discovery(136, own.ipv6, [2, own.mac]), { to: ALL_NODES.address })),
    'duplicate detection': ethernet(toAll, IPV6, v6(discovery(135, own.ipv6), { from: '::' })),
    'duplicate detection with a nonce': ethernet(
      toAll,
      IPV6,
      v6(discovery(135, own.linkLocal, [14, nonce]), { from: '::' }),
    ),
    'router solicitation': ethernet(
      toAll,
      IPV6,
      v6(Buffer.concat([Buffer.from('85000000000000000101', 'hex'), bytesOf(own.mac)]), { from: own.linkLocal }),
    ),
    'listener report': ethernet(
      toAll,
      IPV6,
      v6(extension(ICMPV6, report, '05020000'), { from: '::', next: HOP_BY_HOP }),
    ),
  });
}

function list(reason: DropReason, frames: Record<string, Buffer>): Forgery[] {
  return Object.entries(frames).map(([what, frame]) => ({ what, reason, frame }));
}

function bytesOf(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex');
}
