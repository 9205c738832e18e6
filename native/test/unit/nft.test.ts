import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DecodeError } from '../../netlink-ts/errors.ts';
import { batchOf, replaceTableMessages } from '../../netlink-ts/nft/batch.ts';
import { decodeExpressions, encodeExpressions, type Expression } from '../../netlink-ts/nft/expression.ts';
import { concatenate, decodeKey, keyField, keyLength } from '../../netlink-ts/nft/key.ts';
import { decodeChain, newChain } from '../../netlink-ts/nft/messages/chain.ts';
import { decodeElements } from '../../netlink-ts/nft/messages/element.ts';
import { decodeRule, newRule, withoutCounters } from '../../netlink-ts/nft/messages/rule.ts';
import { decodeSet, newSet } from '../../netlink-ts/nft/messages/set.ts';
import { decodeTable, newTable } from '../../netlink-ts/nft/messages/table.ts';
import type { Set, Table } from '../../netlink-ts/nft/model.ts';
import { modelElements } from '../../netlink-ts/nft/set-elements.ts';
import { decodeSetUserdata, encodeSetUserdata } from '../../netlink-ts/nft/set-userdata.ts';
import { registerNumber, registerSlot } from '../../netlink-ts/nft/register.ts';
import { decodeComment, encodeComment } from '../../netlink-ts/nft/userdata.ts';
import { AttributeReader, AttributeWriter } from '../../netlink-ts/wire/attributes.ts';

interface Captured {
  type: number;
  payload: string;
}

/** The ruleset in it, what nft 1.0.6 sent for it (`nft --debug=mnl`), and a kernel 6.18's dump of it. */
const captured = JSON.parse(readFileSync(new URL('../fixtures/nft.json', import.meta.url), 'utf8')) as {
  sent: Captured[];
  dumped: {
    tables: Captured[];
    chains: Captured[];
    sets: Captured[];
    rules: Captured[];
    elements: Record<string, Captured[]>;
  };
};
const { dumped } = captured;
const table = { family: 'inet', name: 'weft' } as const;

function bytes(message: Captured): Buffer {
  return Buffer.from(message.payload, 'hex');
}

function sent(kind: number): Captured[] {
  return captured.sent.filter(({ type }) => (type & 0xff) === kind);
}

function reread(expressions: Expression[]): Expression[] {
  const writer = new AttributeWriter();
  encodeExpressions(writer, expressions);
  return decodeExpressions(new AttributeReader(writer.finish()));
}

describe('captured bytes', () => {
  test('tables', () => {
    expect(dumped.tables.map((message) => decodeTable(bytes(message)))).toEqual([{ ...table, handle: 1n }]);
    expect(newTable(table).payload.toString('hex')).toBe(sent(0)[0]?.payload);
  });

  test('base chains with their hook, and others', () => {
    const chains = dumped.chains.map((message) => decodeChain(bytes(message)).chain);
    expect(chains).toEqual([
      {
        name: 'prerouting',
        rules: [],
        base: { type: 'filter', hook: 'prerouting', priority: -300, policy: 'accept' },
      },
      { name: 'forward', rules: [], base: { type: 'filter', hook: 'forward', priority: -300, policy: 'drop' } },
      { name: 'other', rules: [] },
    ]);
    expect(chains.map((chain) => newChain(table, chain).payload.toString('hex'))).toEqual(
      sent(3).map(({ payload }) => payload),
    );
  });

  test('sets with the types and sources of their keys', () => {
    const sets = dumped.sets.map((message) => decodeSet(bytes(message)).set);
    const vni = keyField.raw('transport', 96, 24);
    const mac = keyField.raw('transport', 176, 48);
    const set = (name: string, key: Set['key'], flags: Set['flags'] = []): Set => ({ name, key, flags, elements: [] });
    expect(sets).toEqual([
      set('members', [keyField.from('ip saddr'), vni, mac]),
      set('members6', [keyField.from('ip6 saddr'), vni, mac]),
      set('peers', [keyField.from('ip saddr')]),
      set('ports', [keyField.of('ipv4_addr'), keyField.of('inet_service')]),
      set('plain', [keyField.of('ipv4_addr')], ['interval']),
      set('macs', [keyField.of('ether_addr')]),
      set('marks', [keyField.of('mark')], ['timeout']),
      set('names', [keyField.of('ifname')]),
    ]);
    const written = sets.map((read, i) => newSet(table, read, i + 1).payload);
    expect(written.map((payload) => decodeSet(payload).set)).toEqual(sets);
    expect(written.map((payload) => payload.toString('hex')).slice(0, 4)).toEqual(
      sent(9)
        .map(({ payload }) => payload)
        .slice(0, 4),
    );
  });

  test('elements', () => {
    const elements = dumped.elements['members']!.flatMap((message) => decodeElements(bytes(message)));
    expect(elements).toEqual([{ key: 'c000020210000100020a0b0c0d0e0000' }]);
    const interval = dumped.elements['plain']!.flatMap((message) => decodeElements(bytes(message)));
    expect(interval).toEqual([
      { key: '0b000000', intervalEnd: true },
      { key: '0a000000' },
      { key: '00000000', intervalEnd: true },
    ]);
    const plain = decodeSet(bytes(dumped.sets[4]!)).set;
    expect(modelElements(plain, interval, false)).toEqual([{ key: '0a000000', keyEnd: '0affffff' }]);
  });

  test('rules, expression by expression', () => {
    const rules = dumped.rules.map((message) => decodeRule(bytes(message)).rule);
    expect(rules[0]).toEqual({
      comment: 'known',
      expressions: [
        { kind: 'meta', key: 'iifname', register: 0 },
        { kind: 'cmp', op: 'eq', register: 0, data: '6c6f'.padEnd(32, '0') },
        { kind: 'meta', key: 'nfproto', register: 0 },
        { kind: 'cmp', op: 'eq', register: 0, data: '02' },
        { kind: 'payload', base: 'network', offset: 16, length: 4, register: 0 },
        { kind: 'cmp', op: 'eq', register: 0, data: 'c0000201' },
        { kind: 'meta', key: 'l4proto', register: 0 },
        { kind: 'cmp', op: 'eq', register: 0, data: '11' },
        { kind: 'payload', base: 'transport', offset: 2, length: 2, register: 0 },
        { kind: 'cmp', op: 'eq', register: 0, data: '39c5' },
        { kind: 'payload', base: 'network', offset: 12, length: 4, register: 0 },
        { kind: 'payload', base: 'transport', offset: 12, length: 3, register: 1 },
        { kind: 'payload', base: 'transport', offset: 22, length: 6, register: 2 },
        { kind: 'lookup', set: 'members', register: 0 },
        { kind: 'counter', packets: 0n, bytes: 0n },
        { kind: 'verdict', verdict: 'accept' },
      ],
    });
    expect(rules[2]?.expressions.slice(3)).toEqual([
      { kind: 'bitwise', source: 0, register: 0, mask: 'ffff0000', xor: '00000000' },
      { kind: 'cmp', op: 'eq', register: 0, data: '0a010000' },
      { kind: 'ct', key: 'state', register: 0 },
      { kind: 'bitwise', source: 0, register: 0, mask: '06000000', xor: '00000000' },
      { kind: 'cmp', op: 'neq', register: 0, data: '00000000' },
      { kind: 'limit', type: 'packets', rate: 5n, per: 1, burst: 5 },
      { kind: 'log', prefix: 'x', level: 'warn' },
      { kind: 'verdict', verdict: 'jump', chain: 'other' },
    ]);
    expect(rules[3]?.expressions.slice(2)).toEqual([
      { kind: 'limit', type: 'bytes', rate: 10240n, per: 60, burst: 3072, over: true },
      { kind: 'verdict', verdict: 'goto', chain: 'other' },
    ]);
    expect(rules[4]?.expressions[0]).toEqual({
      kind: 'fib',
      result: 'oif',
      flags: ['saddr', 'iif', 'present'],
      register: 0,
    });
    expect(rules[5]?.expressions.slice(3, 5)).toEqual([
      { kind: 'lookup', set: 'plain', register: 0, invert: true },
      { kind: 'log', level: 'info' },
    ]);
    expect(rules[6]?.expressions.at(-1)).toEqual({ kind: 'reject', with: 'icmpx', reason: 'port-unreachable' });
  });

  test('every rule is written as the kernel dumps it', () => {
    for (const message of dumped.rules) {
      const { chain, rule } = decodeRule(bytes(message));
      const again = decodeRule(newRule(table, chain, rule).payload);
      expect(again.rule).toEqual(rule);
    }
  });

  test('rules without counters are written byte for byte as nft writes them', () => {
    // fib, reject, meta set: rules that nft and this library lay out in the same order
    for (const i of [4, 6, 7]) {
      const { chain, rule } = decodeRule(bytes(sent(6)[i]!));
      expect(newRule(table, chain, rule).payload.toString('hex')).toBe(sent(6)[i]?.payload);
    }
  });
});

describe('properties', () => {
  const hex = (length: number) =>
    fc.uint8Array({ minLength: length, maxLength: length }).map((data) => Buffer.from(data).toString('hex'));
  const slot = fc.nat(15);
  const expression: fc.Arbitrary<Expression> = fc.oneof(
    fc.record({ kind: fc.constant('meta' as const), key: fc.constantFrom('mark', 'iif', 'oifname'), register: slot }),
    fc.record({
      kind: fc.constant('payload' as const),
      base: fc.constantFrom('link', 'network', 'transport'),
      offset: fc.nat(255),
      length: fc.integer({ min: 1, max: 16 }),
      register: slot,
    }),
    fc.record({
      kind: fc.constant('cmp' as const),
      op: fc.constantFrom('eq', 'neq', 'lt', 'lte', 'gt', 'gte'),
      register: slot,
      data: hex(4),
    }),
    fc.record({ kind: fc.constant('bitwise' as const), source: slot, register: slot, mask: hex(4), xor: hex(4) }),
    fc.record({ kind: fc.constant('immediate' as const), register: slot, data: hex(8) }),
    fc.record({ kind: fc.constant('verdict' as const), verdict: fc.constantFrom('accept', 'drop', 'return') }),
    fc.record({ kind: fc.constant('lookup' as const), set: fc.string({ minLength: 1 }).filter(plain), register: slot }),
    fc.record({
      kind: fc.constant('counter' as const),
      packets: fc.bigInt(0n, 9n),
      bytes: fc.bigInt(0n, 2n ** 64n - 1n),
    }),
  );

  function plain(text: string): boolean {
    return !text.includes('\0');
  }

  test('what is written is read back', () => {
    fc.assert(
      fc.property(fc.array(expression), (list) => {
        expect(reread(list)).toEqual(list);
      }),
    );
  });

  test('random bytes are read or refused as DecodeError, never anything else', () => {
    const decoders = [decodeTable, decodeChain, decodeSet, decodeRule, decodeElements];
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(decoders.length - 1), (data, which) => {
        expectReadOrRefused(() => decoders[which]!(Buffer.from(data)));
      }),
      { numRuns: 2_000 },
    );
  });

  test('captured messages with bytes changed or cut off are read or refused', () => {
    const messages = [...dumped.rules, ...dumped.sets, ...dumped.chains, ...dumped.elements['plain']!];
    const decoders = [decodeRule, decodeSet, decodeChain, decodeElements];
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.nat(255), fc.nat(), fc.boolean(), (which, at, value, decoder, cut) => {
        const data = bytes(messages[which % messages.length]!);
        const end = cut ? at % data.length : data.length;
        data[at % data.length] = value;
        expectReadOrRefused(() => decoders[decoder % decoders.length]!(data.subarray(0, end)));
      }),
      { numRuns: 4_000 },
    );
  });
});

function expectReadOrRefused(decode: () => unknown): void {
  try {
    decode();
  } catch (error) {
    expect(error).toBeInstanceOf(DecodeError);
  }
}

test('registers are numbered as the kernel answers them', () => {
  expect([0, 1, 2, 4, 8, 12, 15].map(registerNumber)).toEqual([1, 9, 10, 2, 3, 4, 23]);
  expect(Array.from({ length: 16 }, (_, slot) => registerSlot(registerNumber(slot)))).toEqual([...Array(16).keys()]);
  expect(registerSlot(0)).toBeUndefined();
  expect(() => registerNumber(16)).toThrow(RangeError);
});

test('a comment has room for 127 bytes and no more', () => {
  expect(decodeComment(encodeComment('ä'.repeat(63)))).toBe('ä'.repeat(63));
  expect(() => encodeComment('x'.repeat(128))).toThrow(RangeError);
  expect(decodeComment(Buffer.from([9, 200, 1]))).toBeUndefined();
});

test('the fields of a concatenation fill whole registers', () => {
  const key = [keyField.of('ipv4_addr'), keyField.raw('transport', 96, 24), keyField.of('inet_service')];
  expect(keyLength(key)).toBe(12);
  expect(concatenate(key, ['c0000201', '100001', '39c5'])).toBe('c00002011000010039c50000');
});

test('a key whose user data is foreign keeps its length', () => {
  const foreign = decodeSetUserdata(Buffer.from('rubbish')).key;
  expect(decodeKey({ typeNumber: 0, length: 24, sources: foreign })).toEqual([{ type: 'integer', length: 24 }]);
  const fields = [keyField.from('ip6 daddr'), keyField.raw('network', 8, 16)];
  const sources = decodeSetUserdata(encodeSetUserdata({ key: fields })).key;
  expect(decodeKey({ typeNumber: 8 * 64 + 4, length: 20, sources })).toEqual(fields);
});

test('a table is replaced in an order in which everything named exists already', () => {
  const whole: Table = {
    ...table,
    sets: [{ name: 's', key: [keyField.of('mark')], flags: [], elements: [{ key: '01000000' }] }],
    chains: [
      { name: 'a', rules: [{ expressions: [{ kind: 'verdict', verdict: 'jump', chain: 'b' }] }] },
      { name: 'b', rules: [] },
    ],
  };
  const kinds = batchOf(replaceTableMessages(whole)).map(({ type }) => (type < 0x100 ? type : type & 0xff));
  expect(kinds).toEqual([16, 0, 2, 0, 9, 3, 3, 12, 6, 17]);
});

test('withoutCounters takes the values off and leaves the rest', () => {
  const rule = { comment: 'c', expressions: [{ kind: 'counter', packets: 1n, bytes: 2n } as const] };
  expect(withoutCounters(rule)).toEqual({ comment: 'c', expressions: [{ kind: 'counter' }] });
});
