/**
 * Sets and maps against bytes captured in a network namespace of a kernel 6.18: what nft 1.0.6 sent for the rulesets in
 * the fixtures (`nft --debug=mnl -f`), and the kernel's dump of them.
 */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { wireElements } from '../../netlink-ts/nft/interval.ts';
import { keyField } from '../../netlink-ts/nft/key.ts';
import { decodeElements, newElements } from '../../netlink-ts/nft/messages/element.ts';
import { decodeRule } from '../../netlink-ts/nft/messages/rule.ts';
import { decodeSet, newSet } from '../../netlink-ts/nft/messages/set.ts';
import type { Set as NftSet, SetElement } from '../../netlink-ts/nft/model.ts';
import { modelElements } from '../../netlink-ts/nft/set-elements.ts';

interface Captured {
  type: number;
  payload: string;
}

interface Fixture {
  sent: Captured[];
  dumped: { sets: Captured[]; rules: Captured[]; elements: Record<string, Captured[]> };
}

const NEW_SET = 9;
const NEW_ELEMENTS = 12;
const TABLE = { family: 'inet', name: 'full' } as const;

function load(name: string): Fixture {
  return JSON.parse(readFileSync(new URL(`../fixtures/${name}`, import.meta.url), 'utf8')) as Fixture;
}

function bytes({ payload }: Captured): Buffer {
  return Buffer.from(payload, 'hex');
}

function setsOf({ dumped }: Fixture): NftSet[] {
  return dumped.sets.map((message) => {
    const { set } = decodeSet(bytes(message));
    const wire = (dumped.elements[set.name] ?? []).flatMap((part) => decodeElements(bytes(part)));
    return { ...set, elements: modelElements(set, wire, false) };
  });
}

const sets = new Map(setsOf(load('nft-sets.json')).map((set) => [set.name, set]));

describe('read from the kernel', () => {
  test('what every element has of its own is the set’s', () => {
    expect(sets.get('counted')).toMatchObject({
      expressions: [{ kind: 'counter' }],
      elements: [{ key: '0a000001' }, { key: '0a000002', comment: 'two' }],
    });
    expect(sets.get('both')).toMatchObject({
      flags: ['expression'],
      expressions: [{ kind: 'counter' }, { kind: 'quota', bytes: 7n, over: true }],
      elements: [{ key: '0a000001' }],
    });
  });

  test('intervals with both ends, up to the highest key', () => {
    expect(sets.get('merged')).toEqual({
      name: 'merged',
      key: [keyField.of('ipv4_addr')],
      flags: ['interval'],
      autoMerge: true,
      comment: 'joined by nft',
      elements: [
        { key: '00000000', keyEnd: '00ffffff' },
        { key: '0a000000', keyEnd: '0a0001ff' },
        { key: '0a090000', keyEnd: '0a090005' },
        { key: 'f0000000', keyEnd: 'ffffffff' },
      ],
    });
  });

  test('concatenations with ranges', () => {
    expect(sets.get('ports')).toMatchObject({
      key: [keyField.of('inet_proto'), keyField.of('inet_service')],
      elements: [
        { key: '0600000000500000' },
        { key: '0600000003e80000', keyEnd: '0600000007d00000' },
        { key: '1100000000350000' },
      ],
    });
  });

  test('times: of the set, and of elements that differ', () => {
    expect(sets.get('when')).toMatchObject({
      flags: ['interval', 'timeout'],
      timeout: 3_600_000,
      elements: [
        { key: '0050', timeout: 7_200_000 },
        { key: '0064', keyEnd: '00c8' },
      ],
    });
    expect(sets.get('sources')).toMatchObject({ size: 1000, flags: ['timeout', 'dynamic'], timeout: 10_000 });
  });

  test('maps to verdicts, to concatenations and to ranges', () => {
    expect(sets.get('pick')).toMatchObject({
      data: 'verdict',
      elements: [
        { catchAll: true, value: { verdict: 'jump', chain: 'own' } },
        { key: '0a000000', keyEnd: '0affffff', value: { verdict: 'accept' } },
        { key: '0b000000', keyEnd: '0bffffff', value: { verdict: 'drop' } },
        { key: 'ffffffff', value: { verdict: 'return' } },
      ],
    });
    expect(sets.get('ends')).toMatchObject({
      key: [keyField.from('ip saddr'), keyField.from('meta iifname'), keyField.from('ct mark')],
      data: [keyField.from('ip daddr'), keyField.from('udp dport')],
      elements: [{ value: '0a00000200350000' }],
    });
    expect(sets.get('spans')).toMatchObject({
      data: [keyField.of('ipv4_addr'), keyField.of('inet_service')],
      dataRange: true,
      elements: [{ key: 'c0000200', keyEnd: 'c00002ff', value: '0a000001005000000a000009005a0000' }],
    });
  });

  test('limits, ceilings and quotas in rules and in what rules add to sets', () => {
    const kinds = new Set(['dynset', 'quota', 'connection limit']);
    const expressions = load('nft-sets.json').dumped.rules.flatMap(
      (message) => decodeRule(bytes(message)).rule.expressions,
    );
    expect(expressions.filter(({ kind }) => kinds.has(kind))).toEqual([
      { kind: 'quota', bytes: 10_485_760n, over: true, used: 0n },
      { kind: 'quota', bytes: 2048n, used: 1024n },
      { kind: 'connection limit', count: 20, over: true },
      { kind: 'connection limit', count: 30 },
      {
        kind: 'dynset',
        set: 'sources',
        operation: 'update',
        register: 0,
        expressions: [{ kind: 'limit', type: 'packets', rate: 5n, per: 1, burst: 7 }],
      },
      {
        kind: 'dynset',
        set: 'sources',
        operation: 'update',
        register: 0,
        timeout: 30_000,
        expressions: [
          { kind: 'limit', type: 'bytes', rate: 1_048_576n, per: 1, burst: 0, over: true },
          { kind: 'counter', packets: 0n, bytes: 0n },
        ],
      },
      {
        kind: 'dynset',
        set: 'ceilings',
        operation: 'add',
        register: 0,
        expressions: [{ kind: 'connection limit', count: 3, over: true }],
      },
      { kind: 'dynset', set: 'sources', operation: 'delete', register: 0 },
      { kind: 'dynset', set: 'learned', operation: 'update', register: 0, source: 4 },
    ]);
  });
});

describe.each(['nft-statements.json', 'nft-sets.json'])('written: %s', (name) => {
  const fixture = load(name);
  const models = setsOf(fixture).filter(({ flags }) => !flags.includes('anonymous'));

  test('each set is written byte for byte as nft writes it', () => {
    const sent = fixture.sent.filter(({ type }) => (type & 0xff) === NEW_SET);
    for (const [i, set] of models.entries()) {
      const written = newSet(TABLE, set, i + 1).payload;
      expect(decodeSet(written).set, set.name).toEqual({ ...set, elements: [] });
      // nft says of a new quota that nothing of it is used
      if (set.expressions?.some(({ kind }) => kind === 'quota')) continue;
      expect(written.toString('hex'), set.name).toBe(sent[i]?.payload);
    }
  });

  test('elements are marked, flagged and described as nft does it', () => {
    const sent = fixture.sent.filter(({ type }) => (type & 0xff) === NEW_ELEMENTS).map(bytes);
    const filled = models.filter(({ elements }) => elements.length > 0);
    expect(filled.length).toBeGreaterThan(5);
    for (const [i, set] of filled.entries()) {
      const theirs = decodeElements(sent[i]!).filter(({ key, intervalEnd }) => !(intervalEnd && /^0+$/.test(key)));
      const ours = newElements(TABLE, set, set.elements).flatMap(({ payload }) => decodeElements(payload));
      expect(sorted(ours.map(plain)), set.name).toEqual(sorted(theirs.map(plain)));
    }
  });
});

/** nft repeats for each element the counters of its set. */
function plain(element: SetElement): SetElement {
  const copy = { ...element };
  delete copy.expressions;
  return copy;
}

function sorted(elements: SetElement[]): string[] {
  return elements.map((element) => JSON.stringify(Object.entries(element).sort())).sort();
}

describe('properties', () => {
  const number = (bits: number) => fc.integer({ min: 0, max: 2 ** bits - 1 });
  const hex = (value: number, length: number) => value.toString(16).padStart(length * 2, '0');
  const verdictOrData = fc.constantFrom<SetElement['value']>(
    '0a000001',
    { verdict: 'drop' },
    { verdict: 'goto', chain: 'c' },
  );
  const extras = fc.record(
    {
      value: verdictOrData,
      timeout: fc.integer({ min: 1, max: 2 ** 40 }),
      comment: fc.stringMatching(/^[ -~]{1,40}$/),
    },
    { requiredKeys: [] },
  );

  /** Disjoint intervals of a key of `length` bytes, in order; many touch, some are single keys or reach the highest. */
  const intervals = (length: number): fc.Arbitrary<SetElement[]> =>
    fc
      .tuple(
        fc.uniqueArray(fc.oneof(number(8 * length), fc.constantFrom(0, 1, 2 ** (8 * length) - 1)), { maxLength: 40 }),
        fc.array(fc.tuple(fc.boolean(), extras), { minLength: 40, maxLength: 40 }),
      )
      .map(([starts, more]) => {
        const ordered = starts.sort((a, b) => a - b);
        return ordered.map((start, i) => {
          const [touches, extra] = more[i]!;
          const next = ordered[i + 1] ?? 2 ** (8 * length);
          const end = touches ? next - 1 : Math.floor((start + next - 1) / 2);
          const key = { key: hex(start, length) };
          return end === start ? { ...key, ...extra } : { ...key, keyEnd: hex(end, length), ...extra };
        });
      });

  function reread(set: NftSet): SetElement[] {
    const messages = newElements(TABLE, set, set.elements);
    return modelElements(set, messages.flatMap(({ payload }) => decodeElements(payload)).toReversed(), false);
  }

  const emptySet = (type: 'ipv4_addr' | 'inet_service'): NftSet => ({
    name: 's',
    key: [keyField.of(type)],
    flags: ['interval'],
    elements: [],
  });

  test('intervals of one field are read back, in whatever order', () => {
    const catchAll: SetElement = { key: '', catchAll: true, value: { verdict: 'accept' } };
    fc.assert(
      fc.property(
        fc.oneof(
          intervals(4).map((elements) => ({ ...emptySet('ipv4_addr'), elements })),
          intervals(2).map((elements) => ({ ...emptySet('inet_service'), elements })),
        ),
        fc.boolean(),
        (set, all) => {
          const elements = all ? [catchAll, ...set.elements] : set.elements;
          expect(reread({ ...set, elements })).toEqual(elements);
        },
      ),
    );
  });

  test('sets and maps of every shape are read back', () => {
    const field = fc.constantFrom(
      keyField.from('ip saddr'),
      keyField.from('th dport'),
      keyField.from('meta mark'),
      keyField.raw('transport', 96, 24),
    );
    const shape = fc.record({
      key: fc.array(field, { minLength: 1, maxLength: 3 }),
      flags: fc.subarray<NftSet['flags'][number]>(['interval', 'timeout', 'dynamic']),
      data: fc.oneof(
        fc.constant('verdict' as const),
        field.map((only) => [only]),
      ),
    });
    const options = fc.record(
      {
        timeout: number(40),
        gcInterval: number(32),
        size: number(32),
        autoMerge: fc.constant(true as const),
        comment: fc.stringMatching(/^[ -~]{1,20}$/),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(shape, options, fc.boolean(), ({ data, flags, key }, more, isMap) => {
        const ordered = isMap ? (['interval', 'map', 'timeout', 'dynamic'] as const) : flags;
        const kept = ordered.filter((flag) => flag === 'map' || flags.includes(flag));
        const set: NftSet = { name: 's', key, flags: kept, ...(isMap ? { data } : {}), ...more, elements: [] };
        expect(decodeSet(newSet(TABLE, set, 1).payload).set).toEqual(set);
      }),
    );
  });

  test('sources beyond the 256 bytes that the kernel keeps beside a set are refused, not cut', () => {
    const raw = keyField.raw('transport', 96, 24);
    const set: NftSet = { name: 's', key: [raw, raw, raw, raw], flags: ['map'], data: [raw, raw], elements: [] };
    expect(() => newSet(TABLE, set, 1)).toThrow(RangeError);
    expect(() => newSet(TABLE, { ...set, data: 'verdict' }, 1)).not.toThrow();
  });

  test('twenty thousand elements fit in messages, none lost or doubled', () => {
    const elements = Array.from({ length: 20_000 }, (_, i) => ({
      key: hex(i, 4),
      value: hex(i, 16),
      comment: 'x'.repeat(100),
    }));
    const messages = newElements(TABLE, 's', elements);
    expect(Math.max(...messages.map(({ payload }) => payload.length))).toBeLessThan(65_535);
    expect(messages.flatMap(({ payload }) => decodeElements(payload))).toEqual(elements);
  });

  test('a single key of a concatenation with ranges is a range of one on the wire only', () => {
    const shape = { key: [keyField.of('inet_proto'), keyField.of('inet_service')], flags: ['interval' as const] };
    const element = { key: '0600000000500000' };
    expect(wireElements(shape, [element])).toEqual([{ ...element, keyEnd: element.key }]);
    expect(reread({ name: 's', ...shape, elements: [element] })).toEqual([element]);
  });
});
