/**
 * Conditions on the bytes of a frame, in the bridge family. A condition on a field of IPv4, ARP or IPv6 looks at the protocol
 * first, although the chain it stands in is reached by no other: nft prints the field's name only behind that, else offsets.
 */
import { integer } from 'netlink-ts';
import type { Expression } from 'netlink-ts';

/** A field: the header it is in, where it begins there and its length, in bytes. */
export type Field = readonly [base: 'link' | 'network' | 'transport', offset: number, length: number];

const IPV4 = '0800';
const ARP = '0806';
const IPV6 = '86dd';
const PROTOCOLS = { icmp: 1, igmp: 2, udp: 17, fragment: 44, icmpv6: 58 } as const;
type Protocol = keyof typeof PROTOCOLS;

const ETHER_TYPE: Field = ['link', 12, 2];
export const ETHER_SOURCE: Field = ['link', 6, 6];
export const IP_SOURCE: Field = ['network', 12, 4];
export const IP6_SOURCE: Field = ['network', 8, 16];
const ARP_SENDER_MAC: Field = ['network', 8, 6];
const ARP_SENDER: Field = ['network', 14, 4];
const ARP_TARGET: Field = ['network', 24, 4];
const IP6_NEXT_HEADER: Field = ['network', 6, 1];
/** of the first extension header; in a fragment, of what was cut */
const IP6_SECOND_NEXT_HEADER: Field = ['network', 40, 1];
const ICMP_TYPE: Field = ['transport', 0, 1];
const ND_FLAGS: Field = ['transport', 4, 1];
const SOLICITED = '40';
const ND_TARGET: Field = ['transport', 8, 16];

/** Registers of a key that begins with the interface: 16 bytes of name, 8 of MAC, the address; or the name and addresses alone. */
const AT_MAC = 4;
const AT_ADDRESS = 6;
const AFTER_PORT = 4;

type Operator = 'eq' | 'neq' | 'gt';

/** DATA is hex. */
export function bytes([base, offset, length]: Field, data: string, op: Operator = 'eq'): Expression[] {
  return [
    { kind: 'payload', base, offset, length, register: 0 },
    { kind: 'cmp', op, register: 0, data },
  ];
}

function load([base, offset, length]: Field, register: number): Expression {
  return { kind: 'payload', base, offset, length, register };
}

function protocolIs(type: string): Expression[] {
  return [
    { kind: 'meta', key: 'protocol', register: 0 },
    { kind: 'cmp', op: 'eq', register: 0, data: type },
  ];
}

/**
 * Read from the frame, where VLAN tags show that the kernel took out of it; `meta protocol`, which the other conditions
 * use, tells what is behind them.
 */
export const etherType = {
  ip: () => bytes(ETHER_TYPE, IPV4),
  arp: () => bytes(ETHER_TYPE, ARP),
  ip6: () => bytes(ETHER_TYPE, IPV6),
} as const;

/** Broadcasts are multicasts to Ethernet. */
export function multicast(): Expression[] {
  const group = '010000000000';
  return [
    load(['link', 0, 6], 0),
    { kind: 'bitwise', source: 0, register: 0, mask: group, xor: '000000000000' },
    { kind: 'cmp', op: 'eq', register: 0, data: group },
  ];
}

export function transportIs(protocol: Protocol): Expression[] {
  return [
    { kind: 'meta', key: 'l4proto', register: 0 },
    { kind: 'cmp', op: 'eq', register: 0, data: integer(PROTOCOLS[protocol], 1) },
  ];
}

interface Membership {
  /** the key must not be in the set */
  not?: true;
}

function inSet(set: string, { not }: Membership): Expression {
  return { kind: 'lookup', set, register: 0, ...(not ? { invert: true } : {}) };
}

function loadPort(): Expression {
  return { kind: 'meta', key: 'iifname', register: 0 };
}

/** (interface, MAC) is in the set; `mac` says where the MAC is, the frame's source when left out. */
export function ownMac(options: Membership & { set: string; mac?: Field }): Expression[] {
  return [loadPort(), load(options.mac ?? ETHER_SOURCE, AT_MAC), inSet(options.set, options)];
}

/** (interface, frame's source MAC, address) is in the set. */
export function own(
  options: Membership & { set: string; address: 'ip saddr' | 'ip6 saddr' | 'nd target' },
): Expression[] {
  const { address, set } = options;
  const field = { 'ip saddr': IP_SOURCE, 'ip6 saddr': IP6_SOURCE, 'nd target': ND_TARGET }[address];
  const key = [loadPort(), load(ETHER_SOURCE, AT_MAC), load(field, AT_ADDRESS), inSet(set, options)];
  return [...protocolIs(address === 'ip saddr' ? IPV4 : IPV6), ...key];
}

export const ip = {
  /** Version 4 and a header without options, the two in one byte. */
  plain: () => [...protocolIs(IPV4), ...bytes(['network', 0, 1], '45')],
  /** IGMP with the option "router alert", the only one, which RFC 2113 and 3376 want there. */
  routerAlert: () => [
    ...protocolIs(IPV4),
    ...bytes(['network', 0, 1], '46'),
    ...bytes(['network', 9, 1], integer(PROTOCOLS.igmp, 1)),
    ...bytes(['network', 20, 4], '94040000'),
  ],
  icmpType: (type: number) => [...transportIs('icmp'), ...bytes(ICMP_TYPE, integer(type, 1))],
} as const;

const ABOUT_IPV4 = '0001080006040000';

export const arp = {
  /** About IPv4 over Ethernet: 1 asks, 2 answers. */
  operation: (operation: 1 | 2) => [
    ...protocolIs(ARP),
    ...bytes(['network', 0, 4], ABOUT_IPV4.slice(0, 8)),
    ...bytes(['network', 4, 2], ABOUT_IPV4.slice(8, 12)),
    ...bytes(['network', 6, 2], integer(operation, 2)),
  ],
  asks: () => [...protocolIs(ARP), ...bytes(['network', 6, 2], integer(1, 2))],
  /** The sender, or the target of one who has no address yet, is the endpoint with its MAC. */
  own: (set: string, who: 'sender' | 'target') => [
    ...protocolIs(ARP),
    loadPort(),
    load(ARP_SENDER_MAC, AT_MAC),
    load(who === 'sender' ? ARP_SENDER : ARP_TARGET, AT_ADDRESS),
    inSet(set, {}),
  ],
  /** (interface, sender, target) is in a set of addresses that are both. */
  announces: (set: string) => [
    ...protocolIs(ARP),
    loadPort(),
    load(ARP_SENDER, AFTER_PORT),
    load(ARP_TARGET, AFTER_PORT + 1),
    inSet(set, {}),
  ],
  fromNobody: () => [...protocolIs(ARP), ...bytes(ARP_SENDER, '00000000')],
  targetNotIn: (set: string) => [...protocolIs(ARP), load(ARP_TARGET, 0), inSet(set, { not: true })],
} as const;

export const ip6 = {
  fromNobody: () => [...protocolIs(IPV6), ...bytes(IP6_SOURCE, '00'.repeat(16))],
  next: (protocol: Protocol) => [...protocolIs(IPV6), ...bytes(IP6_NEXT_HEADER, integer(PROTOCOLS[protocol], 1))],
  hopByHop: () => [...protocolIs(IPV6), ...bytes(IP6_NEXT_HEADER, '00')],
  nextIn: (set: string) => [...protocolIs(IPV6), load(IP6_NEXT_HEADER, 0), inSet(set, {})],
  second: (protocol: Protocol) => bytes(IP6_SECOND_NEXT_HEADER, integer(PROTOCOLS[protocol], 1)),
  secondIn: (set: string) => [load(IP6_SECOND_NEXT_HEADER, 0), inSet(set, {})],
  /** bytes behind the fixed header */
  length: (length: number) => [...protocolIs(IPV6), ...bytes(['network', 4, 2], integer(length, 2))],
} as const;

export const icmpv6 = {
  typeIn: (set: string) => [...transportIs('icmpv6'), load(ICMP_TYPE, 0), inSet(set, {})],
  typeIs: (type: number) => [...transportIs('icmpv6'), ...bytes(ICMP_TYPE, integer(type, 1))],
  typeAbove: (type: number) => [...transportIs('icmpv6'), ...bytes(ICMP_TYPE, integer(type, 1), 'gt')],
  /** the verdict that the map has for the type; the rule goes on when it has none */
  verdictOf: (map: string): Expression[] => [
    ...transportIs('icmpv6'),
    load(ICMP_TYPE, 0),
    { kind: 'lookup', set: map, register: 0, destination: 'verdict' },
  ],
  /** An advertisement that answers nobody. */
  unsolicited: (): Expression[] => [
    ...transportIs('icmpv6'),
    load(ND_FLAGS, 0),
    { kind: 'bitwise', source: 0, register: 0, mask: SOLICITED, xor: '00' },
    { kind: 'cmp', op: 'eq', register: 0, data: '00' },
  ],
  targetNotIn: (set: string) => [...transportIs('icmpv6'), load(ND_TARGET, 0), inSet(set, { not: true })],
  /** The one option is of this type, 8 bytes long, and `at` bytes into the message. */
  option: (type: number, at: number) => bytes(['transport', at, 2], `${integer(type, 1)}01`),
} as const;

export const udp = {
  from: (port: number) => [...transportIs('udp'), ...bytes(['transport', 0, 2], integer(port, 2))],
  to: (port: number) => [...transportIs('udp'), ...bytes(['transport', 2, 2], integer(port, 2))],
} as const;

/** Above the rate of the frame's interface, kept in the set. */
export function above(set: string, { rate, burst }: { rate: number; burst: number }): Expression[] {
  const limit: Expression = { kind: 'limit', type: 'packets', rate: BigInt(rate), per: 1, burst, over: true };
  return [loadPort(), { kind: 'dynset', operation: 'update', set, register: 0, expressions: [limit] }];
}

/** Within the rate of the frame's interface and the address it speaks for, kept in the set. */
export function within(
  set: string,
  address: 'arp sender' | 'nd target',
  { rate, burst }: { rate: number; burst: number },
): Expression[] {
  const limit: Expression = { kind: 'limit', type: 'packets', rate: BigInt(rate), per: 1, burst };
  const [protocol, field] = address === 'arp sender' ? [ARP, ARP_SENDER] : [IPV6, ND_TARGET];
  const key = [...protocolIs(protocol), loadPort(), load(field, AFTER_PORT)];
  return [...key, { kind: 'dynset', operation: 'update', set, register: 0, expressions: [limit] }];
}

/** Counts the frame for its interface. */
export function count(set: string): Expression[] {
  return [loadPort(), { kind: 'dynset', operation: 'update', set, register: 0, expressions: [{ kind: 'counter' }] }];
}
