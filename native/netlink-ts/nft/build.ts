/**
 * Builders that let a ruleset in TypeScript read like one of nft's: `rule(match.l4proto('udp'), match.udpDport(14789),
 * counter(), verdict.drop())`. Each match gives the expressions of one condition; they all use the first registers.
 */
import type { CmpOperator } from './expressions/cmp.ts';
import { CT_STATE, CT_STATUS } from './expressions/ct.ts';
import type { FibFlag } from './expressions/fib.ts';
import type { MetaKey } from './expressions/meta.ts';
import type { PayloadBase } from './expressions/payload.ts';
import type { Expression } from './expression.ts';
import { keyField, paddedLength, type KeyField } from './key.ts';
import { sourceLoad, type KeySource } from './key-source.ts';
import { ipBytes } from '../wire/text.ts';
import type { Rule } from './model.ts';

const IFNAMSIZ = 16;
const PROTOCOLS = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58, sctp: 132 } as const;
const NFPROTO = { ipv4: 2, ipv6: 10 } as const;
/** linux/rtnetlink.h */
const ROUTE_TYPES = { unicast: 1, local: 2, broadcast: 3, multicast: 5 } as const;
/** where a named field stands in its header, in bytes */
const FIELDS = {
  'ip saddr': [12, 4],
  'ip daddr': [16, 4],
  'ip6 saddr': [8, 16],
  'ip6 daddr': [24, 16],
} as const;

export function rule(...parts: (Expression | readonly Expression[])[]): Rule {
  return { expressions: parts.flat() };
}

export function commented(comment: string, plain: Rule): Rule {
  return { ...plain, comment };
}

/** An address as it stands in a packet. Throws TypeError for what is none. */
export function addressHex(address: string): string {
  return ipBytes(address).toString('hex');
}

/** Big-endian hex of an integer. */
export function integer(value: number, bytes: number): string {
  return value.toString(16).padStart(bytes * 2, '0');
}

/** Hex of 32 bits in the byte order of the host (little-endian on every machine Node runs on, s390x apart): marks, flags. */
export function hostInteger(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes.toString('hex');
}

function compare(load: Expression, data: string, op: CmpOperator = 'eq'): Expression[] {
  return [load, { kind: 'cmp', op, register: 0, data }];
}

function anyOf(mask: number): Expression {
  return { kind: 'bitwise', source: 0, register: 0, mask: hostInteger(mask), xor: hostInteger(0) };
}

function loadMeta(key: MetaKey): Expression {
  return { kind: 'meta', key, register: 0 };
}

function loadPayload(base: PayloadBase, offset: number, length: number): Expression {
  return { kind: 'payload', base, offset, length, register: 0 };
}

function interfaceName(name: string): string {
  return Buffer.from(name)
    .toString('hex')
    .padEnd(IFNAMSIZ * 2, '0');
}

export const match = {
  iifname: (name: string) => compare(loadMeta('iifname'), interfaceName(name)),
  oifname: (name: string) => compare(loadMeta('oifname'), interfaceName(name)),
  nfproto: (family: keyof typeof NFPROTO) => compare(loadMeta('nfproto'), integer(NFPROTO[family], 1)),
  l4proto: (protocol: keyof typeof PROTOCOLS) => compare(loadMeta('l4proto'), integer(PROTOCOLS[protocol], 1)),
  /** the family is matched too: without it the same bytes of another family's header would be compared */
  daddr: (address: string) => matchAddress('daddr', address),
  saddr: (address: string) => matchAddress('saddr', address),
  /** another address of the same family */
  daddrNot: (address: string) => matchAddress('daddr', address, 'neq'),
  saddrNot: (address: string) => matchAddress('saddr', address, 'neq'),
  udpSport: (port: number) => [...match.l4proto('udp'), ...compare(loadPayload('transport', 0, 2), integer(port, 2))],
  udpDport: (port: number) => [...match.l4proto('udp'), ...compare(loadPayload('transport', 2, 2), integer(port, 2))],
  icmpv6Type: (type: number) => [
    ...match.l4proto('icmpv6'),
    ...compare(loadPayload('transport', 0, 1), integer(type, 1)),
  ],
  ctState: (...states: (keyof typeof CT_STATE)[]): Expression[] => [
    { kind: 'ct', key: 'state', register: 0 },
    anyOf(states.reduce((mask, state) => mask | CT_STATE[state], 0)),
    { kind: 'cmp', op: 'neq', register: 0, data: hostInteger(0) },
  ],
  /** one of them or more */
  ctStatus: (...bits: (keyof typeof CT_STATUS)[]): Expression[] => [
    { kind: 'ct', key: 'status', register: 0 },
    anyOf(bits.reduce((mask, bit) => mask | CT_STATUS[bit], 0)),
    { kind: 'cmp', op: 'neq', register: 0, data: hostInteger(0) },
  ],
  /** `fib daddr type local` */
  fibType: (end: 'saddr' | 'daddr', type: keyof typeof ROUTE_TYPES): Expression[] =>
    compare({ kind: 'fib', result: 'type', flags: [end], register: 0 }, hostInteger(ROUTE_TYPES[type])),
  /** `fib FLAGS oif missing` */
  fibMissing: (...flags: Exclude<FibFlag, 'present'>[]): Expression[] =>
    compare({ kind: 'fib', result: 'oif', flags: [...flags, 'present'], register: 0 }, hostInteger(0)),
  /** The fields' bytes are a key in the set. */
  inSet: (set: string, fields: readonly KeyField[]) => lookup(set, fields),
  /** The verdict that a map has for the fields' bytes; the rule goes on when it has none. */
  verdictOf: (map: string, fields: readonly KeyField[]): Expression[] => [
    ...loadKey(fields),
    { kind: 'lookup', set: map, register: 0, destination: 'verdict' },
  ],
  notInSet: (set: string, fields: readonly KeyField[]) => lookup(set, fields, { invert: true }),
} as const;

function matchAddress(end: 'saddr' | 'daddr', address: string, op: CmpOperator = 'eq'): Expression[] {
  const ipv6 = address.includes(':');
  const [offset, length] = FIELDS[`${ipv6 ? 'ip6' : 'ip'} ${end}`];
  return [
    ...match.nfproto(ipv6 ? 'ipv6' : 'ipv4'),
    ...compare(loadPayload('network', offset, length), addressHex(address), op),
  ];
}

function lookup(set: string, fields: readonly KeyField[], options: { invert?: true } = {}): Expression[] {
  return [...loadKey(fields), { kind: 'lookup', set, register: 0, ...options }];
}

/** Loads the fields of a key from the packet, one behind the other. Throws TypeError for a field without a source. */
export function loadKey(fields: readonly KeyField[]): Expression[] {
  let register = 0;
  return fields.map(({ source, length }): Expression => {
    if (!source) throw new TypeError('a field does not say where its bytes come from');
    const load = loadFrom(source, register);
    register += paddedLength(length) / 4;
    return load;
  });
}

function loadFrom(source: KeySource, register: number): Expression {
  return { ...sourceLoad(source), register };
}

export const verdict = {
  accept: (): Expression => ({ kind: 'verdict', verdict: 'accept' }),
  drop: (): Expression => ({ kind: 'verdict', verdict: 'drop' }),
  return: (): Expression => ({ kind: 'verdict', verdict: 'return' }),
  jump: (chain: string): Expression => ({ kind: 'verdict', verdict: 'jump', chain }),
  goto: (chain: string): Expression => ({ kind: 'verdict', verdict: 'goto', chain }),
} as const;

/** What `dnatByMap` leads to: an address and a port. */
export const DNAT_TARGETS = {
  ip: [keyField.from('ip daddr'), keyField.from('th dport')],
  ip6: [keyField.from('ip6 daddr'), keyField.from('th dport')],
} as const satisfies Record<string, KeyField[]>;

/** `dnat ip to FIELDS map @NAME`, where the values of the map are `DNAT_TARGETS`; the rule goes on when it has none. */
export function dnatByMap(family: 'ip' | 'ip6', map: string, fields: readonly KeyField[]): Expression[] {
  return [
    ...loadKey(fields),
    { kind: 'lookup', set: map, register: 0, destination: 0 },
    { kind: 'nat', type: 'dnat', family, address: 0, port: paddedLength(DNAT_TARGETS[family][0].length) / 4 },
  ];
}

export function counter(): Expression {
  return { kind: 'counter' };
}
