/** Ranges of addresses as nftables has them: in rules, and as elements of interval sets. */
import { addressHex } from 'netlink-ts';
import type { Expression, SetElement } from 'netlink-ts';
import { formatAddress } from '../model/address/address.ts';
import { lastOf, parseCidr } from '../model/address/cidr.ts';
import type { Cidr } from '../model/address/cidr.ts';
import { WeftError } from '../model/errors.ts';

const NFPROTO = { 4: '02', 6: '0a' } as const;
/** where the addresses stand in their headers, and how long they are */
const PLACES = { 4: { saddr: 12, daddr: 16, length: 4 }, 6: { saddr: 8, daddr: 24, length: 16 } } as const;

/** `ip daddr 10.0.0.0/8`; its family with it. */
export function matchRange(end: 'saddr' | 'daddr', text: string): Expression[] {
  const cidr = rangeOf(text);
  const { [end]: offset, length } = PLACES[cidr.family];
  const network = addressHex(formatAddress({ family: cidr.family, value: cidr.first }));
  const family: Expression[] = [
    { kind: 'meta', key: 'nfproto', register: 0 },
    { kind: 'cmp', op: 'eq', register: 0, data: NFPROTO[cidr.family] },
  ];
  if (cidr.prefix === 0) return family;
  const mask = maskHex(cidr.prefix, length);
  return [
    ...family,
    { kind: 'payload', base: 'network', offset, length, register: 0 },
    ...(cidr.prefix === length * 8
      ? []
      : [{ kind: 'bitwise', source: 0, register: 0, mask, xor: '0'.repeat(length * 2) } satisfies Expression]),
    { kind: 'cmp', op: 'eq', register: 0, data: network },
  ];
}

/** Of an interval set of addresses. */
export function rangeElement(text: string): SetElement {
  const cidr = rangeOf(text);
  const key = addressHex(formatAddress({ family: cidr.family, value: cidr.first }));
  const end = addressHex(formatAddress({ family: cidr.family, value: lastOf(cidr) }));
  return end === key ? { key } : { key, keyEnd: end };
}

function maskHex(prefix: number, bytes: number): string {
  const bits = BigInt(bytes * 8);
  return (((1n << BigInt(prefix)) - 1n) << (bits - BigInt(prefix))).toString(16).padStart(bytes * 2, '0');
}

function rangeOf(text: string): Cidr {
  const cidr = parseCidr(text);
  if (!cidr) throw new WeftError('internal', `not a range of addresses: ${text}`);
  return cidr;
}
