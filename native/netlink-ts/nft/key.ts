/**
 * The key of a set, or the data of a map: one field, or a concatenation. The kernel knows only its length; type numbers and
 * "typeof" expressions are nft's, so that `nft list` prints elements as addresses and ports and its output can be loaded
 * again.
 */
import type { PayloadBase } from './expressions/payload.ts';
import { sourceType, type KeySource, type NamedSource } from './key-source.ts';
import { nameTable } from './names.ts';

/** nft's datatype numbers (include/datatype.h), at most 6 bits each in a concatenation */
const TYPES = nameTable({
  integer: 4,
  ipv4_addr: 7,
  ipv6_addr: 8,
  ether_addr: 9,
  ether_type: 10,
  inet_proto: 12,
  inet_service: 13,
  icmp_type: 14,
  mark: 19,
  ifindex: 20,
  uid: 24,
  gid: 25,
  ct_state: 26,
  icmpv6_type: 29,
  pkt_type: 31,
  ifname: 41,
});
const TYPE_BITS = 6;

export type KeyType = Exclude<ReturnType<typeof TYPES.name>, undefined>;

const LENGTHS: { readonly [T in KeyType]: number } = {
  integer: 0,
  ipv4_addr: 4,
  ipv6_addr: 16,
  ether_addr: 6,
  ether_type: 2,
  inet_proto: 1,
  inet_service: 2,
  icmp_type: 1,
  mark: 4,
  ifindex: 4,
  uid: 4,
  gid: 4,
  ct_state: 4,
  icmpv6_type: 1,
  pkt_type: 1,
  ifname: 16,
};

export interface KeyField {
  type: KeyType;
  /** bytes */
  length: number;
  source?: KeySource;
}

export const keyField = {
  of: (type: Exclude<KeyType, 'integer'>): KeyField => ({ type, length: LENGTHS[type] }),
  /** `typeof ip saddr` and its like */
  from: (source: NamedSource): KeyField => {
    const type = sourceType(source);
    return { type, length: LENGTHS[type], source };
  },
  /** `typeof @th,96,24` and its like; whole bytes only */
  raw: (base: PayloadBase, offset: number, length: number): KeyField => ({
    type: 'integer',
    length: length / 8,
    source: { base, offset, length },
  }),
} as const;

/** Bytes of a key: in a concatenation each field fills whole 32-bit registers. */
export function keyLength(fields: readonly KeyField[]): number {
  const [only] = fields;
  if (fields.length === 1 && only) return only.length;
  return fields.reduce((sum, field) => sum + paddedLength(field.length), 0);
}

export function paddedLength(length: number): number {
  return Math.ceil(length / 4) * 4;
}

/** Joins the hex values of the fields of a concatenation into a key. */
export function concatenate(fields: readonly KeyField[], values: readonly string[]): string {
  return fields.map((field, i) => (values[i] ?? '').padEnd(paddedLength(field.length) * 2, '0')).join('');
}

export function keyTypeNumber(fields: readonly KeyField[]): number {
  return fields.reduce((number, field) => number * 2 ** TYPE_BITS + TYPES.number(field.type), 0);
}

export interface WireKey {
  typeNumber: number;
  /** of the whole key, in bytes */
  length: number;
  sources: readonly (KeySource | undefined)[];
  /** what the kernel knows of the fields of a concatenation with ranges */
  fieldLengths?: readonly number[];
}

/** The fields of a key. What nft would not know either is `integer`: one field, or as many as the kernel knows of. */
export function decodeKey({ typeNumber, length, sources, fieldLengths = [] }: WireKey): KeyField[] {
  const types: KeyType[] = [];
  for (let rest = typeNumber; rest > 0; rest = Math.floor(rest / 2 ** TYPE_BITS)) {
    types.unshift(TYPES.name(rest % 2 ** TYPE_BITS) ?? 'integer');
  }
  const fields = (types.length ? types : (['integer'] as const)).map((type, i, all): KeyField => {
    const source = sources.length === all.length ? sources[i] : undefined;
    const raw = typeof source === 'object' ? source.length / 8 : 0;
    return { type, length: LENGTHS[type] || raw || (fieldLengths[i] ?? length), ...(source ? { source } : {}) };
  });
  if (keyLength(fields) === length && (fieldLengths.length === 0 || fieldLengths.length === fields.length))
    return fields;
  const integers = fieldLengths.map((bytes): KeyField => ({ type: 'integer', length: bytes }));
  return integers.length > 1 ? integers : [{ type: 'integer', length }];
}
