/**
 * The key of a set: one field, or a concatenation. The kernel knows only its length; type numbers and "typeof"
 * expressions are nft's, so that `nft list` prints elements as addresses and ports and its output can be loaded again.
 */
import type { PayloadBase } from './expressions/payload.ts';
import { PAYLOAD_BASES } from './expressions/payload.ts';
import { nameTable } from './names.ts';
import { encodeRecords, hostInteger, readHostInteger, tryRecords, type Record } from './userdata.ts';

/** nft's datatype numbers (include/datatype.h), at most 6 bits each in a concatenation */
const TYPES = nameTable({
  integer: 4,
  ipv4_addr: 7,
  ipv6_addr: 8,
  ether_addr: 9,
  inet_proto: 12,
  inet_service: 13,
  mark: 19,
  ifname: 41,
});
const TYPE_BITS = 6;

export type KeyType = Exclude<ReturnType<typeof TYPES.name>, undefined>;

const LENGTHS: { readonly [T in KeyType]: number } = {
  integer: 0,
  ipv4_addr: 4,
  ipv6_addr: 16,
  ether_addr: 6,
  inet_proto: 1,
  inet_service: 2,
  mark: 4,
  ifname: 16,
};
const HOST_ORDER: ReadonlySet<KeyType> = new Set(['mark', 'ifname']);

/** Where a field's bytes come from; a set whose every field has one is listed with `typeof`. Offset and length in bits. */
export type KeySource = NamedSource | { base: PayloadBase; offset: number; length: number };

export type NamedSource = 'ip saddr' | 'ip daddr' | 'ip6 saddr' | 'ip6 daddr';

/** nft's numbers of a protocol and of a field of it (proto_desc ids, header templates) */
const NAMED_SOURCES: { readonly [S in NamedSource]: readonly [protocol: number, field: number] } = {
  'ip saddr': [12, 11],
  'ip daddr': [12, 12],
  'ip6 saddr': [13, 8],
  'ip6 daddr': [13, 9],
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
    const type = source.startsWith('ip6') ? 'ipv6_addr' : 'ipv4_addr';
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

/** Fields by type number, total length in bytes and user data. What nft would not know either is one field `integer`. */
export function decodeKey(typeNumber: number, length: number, userdata: Buffer): KeyField[] {
  const types: KeyType[] = [];
  for (let rest = typeNumber; rest > 0; rest = Math.floor(rest / 2 ** TYPE_BITS)) {
    types.unshift(TYPES.name(rest % 2 ** TYPE_BITS) ?? 'integer');
  }
  const sources = decodeSources(userdata);
  const fields = (types.length ? types : (['integer'] as const)).map((type, i, all): KeyField => {
    const source = sources.length === all.length ? sources[i] : undefined;
    const raw = typeof source === 'object' ? source.length / 8 : 0;
    return { type, length: LENGTHS[type] || raw || length, ...(source ? { source } : {}) };
  });
  return keyLength(fields) === length ? fields : [{ type: 'integer', length }];
}

const SET_KEY_BYTE_ORDER = 0;
const SET_KEY_TYPEOF = 3;
const TYPEOF_EXPRESSION = 0;
const TYPEOF_DATA = 1;
const EXPRESSION_PAYLOAD = 7;
const EXPRESSION_CONCAT = 13;
const PAYLOAD_PROTOCOL = 0;
const PAYLOAD_FIELD = 1;
const PAYLOAD_BASE = 2;
const PAYLOAD_OFFSET = 3;
const PAYLOAD_LENGTH = 4;
/** nft counts bases from 1: PROTO_BASE_LL_HDR */
const FIRST_BASE = 1;

export function encodeKeyUserdata(fields: readonly KeyField[]): Buffer {
  const sources = fields.map((field) => field.source && encodeSource(field.source));
  const known = sources.filter((source) => source !== undefined);
  const complete = known.length === fields.length;
  const records: Record[] = [{ type: SET_KEY_BYTE_ORDER, value: hostInteger(byteOrder(fields)) }];
  if (fields.length > 1) {
    const parts = complete ? encodeRecords(known.map((value, type) => ({ type, value }))) : Buffer.alloc(0);
    records.push({ type: SET_KEY_TYPEOF, value: encodeTypeof(EXPRESSION_CONCAT, parts) });
  } else if (known[0]) {
    records.push({ type: SET_KEY_TYPEOF, value: known[0] });
  }
  return encodeRecords(records);
}

/** nft's byte orders: 0 for a concatenation, 1 host, 2 network */
function byteOrder(fields: readonly KeyField[]): number {
  const [field] = fields;
  if (fields.length !== 1 || !field) return 0;
  return HOST_ORDER.has(field.type) ? 1 : 2;
}

function encodeTypeof(expression: number, data: Buffer): Buffer {
  return encodeRecords([
    { type: TYPEOF_EXPRESSION, value: hostInteger(expression) },
    { type: TYPEOF_DATA, value: data },
  ]);
}

function encodeSource(source: KeySource): Buffer {
  const [protocol, field] = typeof source === 'string' ? NAMED_SOURCES[source] : [0, 0];
  const numbers = [protocol, field];
  if (typeof source === 'object') {
    numbers.push(PAYLOAD_BASES.number(source.base) + FIRST_BASE, source.offset, source.length);
  }
  const data = encodeRecords(numbers.map((number, type) => ({ type, value: hostInteger(number) })));
  return encodeTypeof(EXPRESSION_PAYLOAD, data);
}

function decodeSources(userdata: Buffer): (KeySource | undefined)[] {
  const record = tryRecords(userdata).find(({ type }) => type === SET_KEY_TYPEOF);
  if (!record) return [];
  const { expression, data } = decodeTypeof(record.value);
  if (expression !== EXPRESSION_CONCAT) return [decodeSource(record.value)];
  return tryRecords(data).map(({ value }) => decodeSource(value));
}

function decodeTypeof(bytes: Buffer): { expression: number; data: Buffer } {
  const records = tryRecords(bytes);
  const valueOf = (type: number): Buffer | undefined => records.find((record) => record.type === type)?.value;
  return {
    expression: readHostInteger(valueOf(TYPEOF_EXPRESSION)),
    data: valueOf(TYPEOF_DATA) ?? Buffer.alloc(0),
  };
}

function decodeSource(bytes: Buffer): KeySource | undefined {
  const { expression, data } = decodeTypeof(bytes);
  if (expression !== EXPRESSION_PAYLOAD) return undefined;
  const numbers = new Map(tryRecords(data).map(({ type, value }) => [type, readHostInteger(value)]));
  const number = (type: number): number => numbers.get(type) ?? 0;
  if (number(PAYLOAD_PROTOCOL) === 0) {
    const base = PAYLOAD_BASES.name(number(PAYLOAD_BASE) - FIRST_BASE);
    return base && { base, offset: number(PAYLOAD_OFFSET), length: number(PAYLOAD_LENGTH) };
  }
  return (Object.keys(NAMED_SOURCES) as NamedSource[]).find((name) => {
    const [protocol, field] = NAMED_SOURCES[name];
    return protocol === number(PAYLOAD_PROTOCOL) && field === number(PAYLOAD_FIELD);
  });
}
