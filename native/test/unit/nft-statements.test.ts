/**
 * Every kind of expression, against bytes captured in a network namespace of a kernel 6.18: what nft 1.0.6 sent for the
 * ruleset in the fixture (`nft --debug=mnl -f`), and the kernel's dump of it.
 */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeExpressions, encodeExpressions, type Expression } from '../../netlink-ts/nft/expression.ts';
import type { NatFlag } from '../../netlink-ts/nft/expressions/nat-range.ts';
import { decodeRule } from '../../netlink-ts/nft/messages/rule.ts';
import { AttributeReader, AttributeWriter } from '../../netlink-ts/wire/attributes.ts';

interface Captured {
  type: number;
  payload: string;
}

const captured = JSON.parse(readFileSync(new URL('../fixtures/nft-statements.json', import.meta.url), 'utf8')) as {
  sent: Captured[];
  dumped: { rules: Captured[] };
};

const NEW_RULE = 6;
const dumped = captured.dumped.rules.map(rulesOf);
const sent = captured.sent.filter(({ type }) => (type & 0xff) === NEW_RULE).map(rulesOf);

function rulesOf({ payload }: Captured): { chain: string; expressions: Expression[] } {
  const { chain, rule } = decodeRule(Buffer.from(payload, 'hex'));
  return { chain, expressions: rule.expressions };
}

/** The expressions of a chain's rules that are neither matches nor constants. */
function statements(chain: string): Expression[] {
  const matches = new Set(['meta', 'cmp', 'payload', 'immediate', 'bitwise']);
  return dumped
    .filter((rule) => rule.chain === chain)
    .flatMap(({ expressions }) => expressions.filter(({ kind }) => !matches.has(kind)));
}

function bytesOf(expressions: Expression[]): Buffer {
  const writer = new AttributeWriter();
  encodeExpressions(writer, expressions);
  return writer.finish();
}

function reread(expressions: Expression[]): Expression[] {
  return decodeExpressions(new AttributeReader(bytesOf(expressions)));
}

/** The attributes NFTA_LIST_ELEM of a captured rule, each as hex. */
function elementsOf({ payload }: Captured): string[] {
  const NFTA_RULE_EXPRESSIONS = 4;
  const attributes = new AttributeReader(Buffer.from(payload, 'hex').subarray(4));
  const elements: string[] = [];
  while (attributes.next()) {
    if (attributes.type !== NFTA_RULE_EXPRESSIONS) continue;
    const list = attributes.children();
    while (list.next()) elements.push(list.bytes().toString('hex'));
  }
  return elements;
}

describe('read from the kernel', () => {
  test('connection tracking: notrack, zones, marks, direction, status', () => {
    expect(statements('early')).toEqual([
      { kind: 'notrack' },
      { kind: 'ct set', key: 'zone', source: 0 },
      { kind: 'ct set', key: 'zone', direction: 'original', source: 0 },
    ]);
    expect(statements('mangle').filter(({ kind }) => kind === 'ct' || kind === 'ct set')).toEqual([
      { kind: 'ct set', key: 'mark', source: 0 },
      { kind: 'ct set', key: 'mark', source: 0 },
      { kind: 'ct', key: 'mark', register: 0 },
      { kind: 'ct set', key: 'mark', source: 0 },
      { kind: 'ct', key: 'mark', register: 0 },
      { kind: 'ct', key: 'direction', register: 0 },
      { kind: 'ct', key: 'status', register: 0 },
      { kind: 'ct', key: 'ip saddr', direction: 'original', register: 0 },
      { kind: 'ct', key: 'proto-dst', direction: 'reply', register: 0 },
      { kind: 'ct', key: 'mark', register: 0 },
    ]);
  });

  test('writes to the packet and to what the kernel keeps beside it', () => {
    expect(statements('mangle').filter(({ kind }) => kind.endsWith(' set') && kind !== 'ct set')).toEqual([
      { kind: 'meta set', key: 'mark', source: 0 },
      { kind: 'meta set', key: 'mark', source: 0 },
      { kind: 'meta set', key: 'mark', source: 0 },
      { kind: 'meta set', key: 'mark', source: 0 },
      { kind: 'meta set', key: 'nftrace', source: 0 },
      { kind: 'meta set', key: 'priority', source: 0 },
      { kind: 'payload set', base: 'network', offset: 0, length: 2, source: 0, checksum: { offset: 10 } },
      { kind: 'payload set', base: 'network', offset: 8, length: 2, source: 0, checksum: { offset: 10 } },
      { kind: 'payload set', base: 'transport', offset: 2, length: 2, source: 0, checksum: { offset: 16 } },
      { kind: 'payload set', base: 'transport', offset: 0, length: 2, source: 0, checksum: { offset: 6 } },
      { kind: 'payload set', base: 'link', offset: 6, length: 6, source: 0 },
    ]);
  });

  test('lookups in sets, maps and verdict maps', () => {
    expect(statements('mangle').filter(({ kind }) => kind === 'lookup')).toEqual([
      { kind: 'lookup', set: 'marks', register: 0, destination: 0 },
      { kind: 'lookup', set: 'zones', register: 0, destination: 0 },
      { kind: 'lookup', set: 'nets', register: 0 },
      { kind: 'lookup', set: 'nets6', register: 0 },
      { kind: 'lookup', set: 'pairs', register: 0 },
      { kind: 'lookup', set: 'chains', register: 0, destination: 'verdict' },
      { kind: 'lookup', set: '__set0', register: 0 },
      { kind: 'lookup', set: '__map0', register: 0, destination: 'verdict' },
    ]);
  });

  test('ranges, limits and logs', () => {
    const kinds = new Set(['range', 'limit', 'log']);
    expect(statements('mangle').filter(({ kind }) => kinds.has(kind))).toEqual([
      { kind: 'range', op: 'neq', register: 0, from: '000a', to: '0014' },
      { kind: 'limit', type: 'packets', rate: 5n, per: 60, burst: 3 },
      { kind: 'limit', type: 'bytes', rate: 10_485_760n, per: 1, burst: 2_097_152, over: true },
      { kind: 'log', prefix: 'weft: ', group: 5, snaplen: 64, queueThreshold: 3 },
      { kind: 'log', group: 0 },
      {
        kind: 'log',
        prefix: 'x',
        level: 'debug',
        flags: ['tcp-sequence', 'tcp-options', 'ip-options', 'skuid', 'ether'],
      },
      { kind: 'log', level: 'audit' },
    ]);
  });

  test('rejects', () => {
    expect(statements('filter')).toEqual([
      { kind: 'reject', with: 'icmpx', reason: 'port-unreachable' },
      { kind: 'reject', with: 'icmpx', reason: 'admin-prohibited' },
      { kind: 'reject', with: 'tcp reset' },
      { kind: 'reject', with: 'icmp', code: 1 },
      { kind: 'reject', with: 'icmp', code: 3 },
    ]);
  });

  test('destination NAT with its registers and flags, without what the kernel adds', () => {
    const dnat = { kind: 'nat', type: 'dnat', family: 'ip', address: 0 };
    expect(statements('dnats').filter(({ kind }) => kind !== 'lookup')).toEqual([
      dnat,
      { ...dnat, port: 4 },
      { ...dnat, addressMax: 4, port: 8, portMax: 12, flags: ['random', 'persistent'] },
      { ...dnat, family: 'ip6', port: 4 },
      { ...dnat, port: 1 },
      dnat,
      { kind: 'redirect' },
      { kind: 'redirect', port: 0 },
      { kind: 'redirect', port: 0, portMax: 4, flags: ['random'] },
      { ...dnat, addressMax: 1, flags: ['netmap'] },
    ]);
  });

  test('source NAT and masquerading', () => {
    const snat = { kind: 'nat', type: 'snat', family: 'ip', address: 0 };
    expect(statements('snats')).toEqual([
      { kind: 'masquerade' },
      { kind: 'masquerade', flags: ['persistent', 'fully-random'] },
      { kind: 'masquerade', port: 0, portMax: 4, flags: ['random'] },
      snat,
      { ...snat, addressMax: 4, port: 8, portMax: 12, flags: ['fully-random'] },
    ]);
  });

  test('updates of dynamic sets; nothing is unknown', () => {
    const every = dumped.flatMap(({ expressions }) => expressions);
    expect(every.filter(({ kind }) => kind === 'dynset')).toEqual([
      { kind: 'dynset', set: 'recent', operation: 'update', register: 0, timeout: 5_000 },
      { kind: 'dynset', set: 'recent', operation: 'add', register: 0 },
    ]);
    expect(every.filter(({ kind }) => kind === 'other')).toEqual([]);
  });
});

describe('written', () => {
  test('what nft sent reads as what the kernel dumped', () => {
    const named = dumped.map(({ expressions }) => expressions.map(anonymous));
    expect(sent.map(({ expressions }) => expressions.map(anonymous))).toEqual(named);
  });

  test('each is read back', () => {
    for (const { expressions } of dumped) expect(reread(expressions)).toEqual(expressions);
  });

  test('each new kind is written byte for byte as nft writes it', () => {
    const kinds = new Set(['notrack', 'ct set', 'meta set', 'payload set', 'range', 'reject', 'log', 'limit', 'nat']);
    for (const more of ['masquerade', 'redirect']) kinds.add(more);
    const newRules = captured.sent.filter(({ type }) => (type & 0xff) === NEW_RULE);
    const compared = new Set<string>();
    for (const [i, message] of newRules.entries()) {
      const bytes = elementsOf(message);
      // for an address and a port out of one map nft leaves out the flag that the kernel then sets
      if (sent[i]!.expressions.some((expression) => expression.kind === 'nat' && expression.port === 1)) continue;
      for (const [j, expression] of sent[i]!.expressions.entries()) {
        if (!kinds.has(expression.kind)) continue;
        expect(bytesOf([expression]).subarray(4).toString('hex')).toBe(bytes[j]);
        compared.add(expression.kind);
      }
    }
    expect(compared).toEqual(kinds);
  });
});

/** nft names an anonymous set by a pattern, the kernel by a number. */
function anonymous(expression: Expression): Expression {
  return expression.kind === 'lookup'
    ? { ...expression, set: expression.set.replace(/^(__\w+?)(\d+|%d)$/, '$1') }
    : expression;
}

describe('properties', () => {
  const slot = fc.nat(15);
  const number16 = fc.nat(0xffff);
  const optional = { requiredKeys: [] };
  const ports = fc
    .record(
      { port: slot, span: fc.integer({ min: 1, max: 15 }), flags: fc.constantFrom<NatFlag[]>(['random'], ['netmap']) },
      optional,
    )
    .map(({ port, span, flags }) => ({
      ...(port === undefined ? {} : { port }),
      ...(port === undefined || span === undefined ? {} : { portMax: (port + span) % 16 }),
      ...(flags ? { flags } : {}),
    }));
  const expression: fc.Arbitrary<Expression> = fc.oneof(
    fc.record({ kind: fc.constant('ct set' as const), key: fc.constantFrom('mark', 'zone'), source: slot }),
    fc.record({ kind: fc.constant('meta set' as const), key: fc.constantFrom('mark', 'priority'), source: slot }),
    fc.record({
      kind: fc.constant('payload set' as const),
      base: fc.constantFrom('link', 'network', 'transport'),
      offset: number16,
      length: fc.integer({ min: 1, max: 16 }),
      source: slot,
      checksum: fc.record({ offset: number16, pseudoHeader: fc.constant(true as const) }),
    }),
    fc.record({
      kind: fc.constant('range' as const),
      op: fc.constantFrom('eq', 'neq'),
      register: slot,
      from: fc.constant('0001'),
      to: fc.constant('ffff'),
    }),
    fc.record({ kind: fc.constant('notrack' as const) }),
    fc.record({ kind: fc.constant('reject' as const), with: fc.constant('icmp' as const), code: fc.nat(255) }),
    ports.map((given) => ({ kind: 'masquerade' as const, ...given })),
    ports.map((given) => ({ kind: 'redirect' as const, ...given })),
    ports.map((given) => ({
      kind: 'nat' as const,
      type: 'snat' as const,
      family: 'ip6' as const,
      address: 0,
      addressMax: 4,
      ...given,
    })),
    fc.record({ kind: fc.constant('log' as const), group: number16, snaplen: fc.nat(), queueThreshold: number16 }),
    fc.record({
      kind: fc.constant('lookup' as const),
      set: fc.constantFrom('a', '__map%d'),
      register: slot,
      destination: fc.oneof(slot, fc.constant('verdict' as const)),
    }),
  );

  test('what is written is read back', () => {
    fc.assert(
      fc.property(fc.array(expression), (list) => {
        expect(reread(list)).toEqual(list);
      }),
    );
  });
});
