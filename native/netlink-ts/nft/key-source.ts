/**
 * Where the bytes of a set's field come from, in nft's words: what `typeof` names. The numbers are nft's own (its ids of
 * expressions and protocols, and the place of a field in its header templates); the kernel does not know them.
 */
import { PAYLOAD_BASES, type PayloadBase } from './expressions/payload.ts';
import type { KeyType } from './key.ts';
import { encodeRecords, hostInteger, readHostInteger, tryRecords } from './userdata.ts';

const TYPEOF_EXPRESSION = 0;
const TYPEOF_DATA = 1;
const EXPRESSION_VERDICT = 1;
const EXPRESSION_PAYLOAD = 7;
const EXPRESSION_META = 9;
const EXPRESSION_CT = 12;
const EXPRESSION_CONCAT = 13;
const PAYLOAD_PROTOCOL = 0;
const PAYLOAD_BASE = 2;
const PAYLOAD_OFFSET = 3;
const PAYLOAD_LENGTH = 4;
/** nft counts bases from 1: PROTO_BASE_LL_HDR */
const FIRST_BASE = 1;
const NO_DIRECTION = 0xffffffff;

/** How a rule loads the field. */
export type SourceLoad =
  | { kind: 'payload'; base: PayloadBase; offset: number; length: number }
  | { kind: 'meta'; key: 'mark' | 'iifname' | 'oifname' | 'l4proto' }
  | { kind: 'ct'; key: 'mark' };

interface SourceFacts {
  type: KeyType;
  expression: number;
  numbers: readonly number[];
  load: SourceLoad;
}

function header(type: KeyType, numbers: readonly [protocol: number, field: number], at: HeaderPlace): SourceFacts {
  const [base, offset, length] = at;
  return { type, expression: EXPRESSION_PAYLOAD, numbers, load: { kind: 'payload', base, offset, length } };
}

type HeaderPlace = readonly [base: PayloadBase, offset: number, length: number];

function meta(type: KeyType, number: number, key: Extract<SourceLoad, { kind: 'meta' }>['key']): SourceFacts {
  return { type, expression: EXPRESSION_META, numbers: [number], load: { kind: 'meta', key } };
}

const SOURCES = {
  'ether saddr': header('ether_addr', [17, 2], ['link', 6, 6]),
  'ether daddr': header('ether_addr', [17, 1], ['link', 0, 6]),
  'ip saddr': header('ipv4_addr', [12, 11], ['network', 12, 4]),
  'ip daddr': header('ipv4_addr', [12, 12], ['network', 16, 4]),
  'ip6 saddr': header('ipv6_addr', [13, 8], ['network', 8, 16]),
  'ip6 daddr': header('ipv6_addr', [13, 9], ['network', 24, 16]),
  'tcp sport': header('inet_service', [8, 1], ['transport', 0, 2]),
  'tcp dport': header('inet_service', [8, 2], ['transport', 2, 2]),
  'udp sport': header('inet_service', [6, 1], ['transport', 0, 2]),
  'udp dport': header('inet_service', [6, 2], ['transport', 2, 2]),
  /** any transport protocol with ports */
  'th sport': header('inet_service', [11, 1], ['transport', 0, 2]),
  'th dport': header('inet_service', [11, 2], ['transport', 2, 2]),
  'meta mark': meta('mark', 3, 'mark'),
  'meta iifname': meta('ifname', 6, 'iifname'),
  'meta oifname': meta('ifname', 7, 'oifname'),
  'meta l4proto': meta('inet_proto', 16, 'l4proto'),
  'ct mark': { type: 'mark', expression: EXPRESSION_CT, numbers: [3, NO_DIRECTION], load: { kind: 'ct', key: 'mark' } },
} as const satisfies Readonly<Record<string, SourceFacts>>;

export type NamedSource = keyof typeof SOURCES;

/** Where a field's bytes come from; a set whose every field has one is listed with `typeof`. Offset and length in bits. */
export type KeySource = NamedSource | { base: PayloadBase; offset: number; length: number };

export function sourceType(source: NamedSource): KeyType {
  return SOURCES[source].type;
}

/** Where the field is in a packet, in bytes. */
export function sourceLoad(source: KeySource): SourceLoad {
  if (typeof source === 'string') return SOURCES[source].load;
  return { kind: 'payload', base: source.base, offset: source.offset / 8, length: source.length / 8 };
}

export const VERDICT_TYPEOF: Buffer = encodeTypeof(EXPRESSION_VERDICT, Buffer.alloc(0));

/** The `typeof` of several fields; without their sources it says no more than that there are several. */
export function encodeConcatenation(sources: readonly KeySource[]): Buffer {
  return encodeTypeof(
    EXPRESSION_CONCAT,
    encodeRecords(sources.map((source, type) => ({ type, value: encodeSource(source) }))),
  );
}

export function encodeSource(source: KeySource): Buffer {
  const { expression, numbers } = typeof source === 'string' ? SOURCES[source] : rawNumbers(source);
  const records = numbers.map((number, type) => ({ type, value: hostInteger(number) }));
  return encodeTypeof(expression, encodeRecords(records));
}

function rawNumbers(source: Exclude<KeySource, string>): Pick<SourceFacts, 'expression' | 'numbers'> {
  const base = PAYLOAD_BASES.number(source.base) + FIRST_BASE;
  return { expression: EXPRESSION_PAYLOAD, numbers: [0, 0, base, source.offset, source.length] };
}

function encodeTypeof(expression: number, data: Buffer): Buffer {
  return encodeRecords([
    { type: TYPEOF_EXPRESSION, value: hostInteger(expression) },
    { type: TYPEOF_DATA, value: data },
  ]);
}

/** The sources in a `typeof`, one for each field; undefined for one that has no name here. */
export function decodeSources(bytes: Buffer | undefined): (KeySource | undefined)[] {
  if (!bytes) return [];
  const { expression, data } = decodeTypeof(bytes);
  if (expression !== EXPRESSION_CONCAT) return [decodeSource(bytes)];
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
  const numbers = new Map(tryRecords(data).map(({ type, value }) => [type, readHostInteger(value)]));
  if (expression === EXPRESSION_PAYLOAD && !numbers.get(PAYLOAD_PROTOCOL)) return decodeRaw(numbers);
  const names = Object.keys(SOURCES) as NamedSource[];
  return names.find((name) => {
    const facts: SourceFacts = SOURCES[name];
    return facts.expression === expression && facts.numbers.every((number, type) => numbers.get(type) === number);
  });
}

function decodeRaw(numbers: ReadonlyMap<number, number>): KeySource | undefined {
  const base = PAYLOAD_BASES.name((numbers.get(PAYLOAD_BASE) ?? 0) - FIRST_BASE);
  return base && { base, offset: numbers.get(PAYLOAD_OFFSET) ?? 0, length: numbers.get(PAYLOAD_LENGTH) ?? 0 };
}
