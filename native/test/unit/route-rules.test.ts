/** Rules of policy routing against captured bytes, both ways. */
import { describe, expect, it } from 'vitest';
import { decodeRule, encodeRule, encodeRuleReference } from '../../netlink-ts/route/rule.ts';
import type { RoutingRuleSpec } from '../../netlink-ts/route/rule.ts';
import { Captured } from './route-tree.ts';

const captured = new Captured('rules');
/** iproute2 leaves the protocol to the kernel, which then says 0. */
const FRA_PROTOCOL = '21';
const shape = { header: 12, nested: [], text: ['3', '17'], skip: [FRA_PROTOCOL] };

const rules: Record<string, RoutingRuleSpec> = {
  mark: { family: 4, mark: 0x77, mask: 0xff, table: 1077, priority: 1000, protocol: 177 },
  from: { family: 4, from: '10.1.0.0/16', iif: 'wv0', table: 77, priority: 1001 },
  to: { family: 4, to: '10.2.0.7/32', oif: 'wv0', tos: 0x10, action: 'blackhole', priority: 1002 },
  not: { family: 4, invert: true, from: '10.3.0.0/16', action: 'unreachable', priority: 1003 },
  goto: { family: 4, action: 'goto', goto: 32766, priority: 1005 },
  from6: { family: 6, from: 'fd00:1::/64', table: 77, priority: 1001 },
  prohibit6: { family: 6, to: 'fd00:2::/64', action: 'prohibit', priority: 1002 },
};
const withoutDefaults: RoutingRuleSpec = { family: 4, table: 254, suppressPrefixLength: 0, priority: 1004 };

/** Where a table fits the header, iproute2 does not repeat it as an attribute, which says the same. */
const withTableInHeader = { ...shape, skip: [FRA_PROTOCOL, '15'] };

describe('requests are those of iproute2', () => {
  it.each(Object.keys(rules))('%s', (name) => {
    const spec = rules[name]!;
    captured.same(encodeRule(spec), name, (spec.table ?? 256) < 256 ? withTableInHeader : shape);
  });

  it('without default routes', () => {
    captured.same(encodeRule(withoutDefaults), 'suppress', withTableInHeader);
  });

  it('for a deletion say only what is compared', () => {
    captured.same(encodeRuleReference({ family: 4, priority: 1006 }), 'del', shape);
    expect(decodeRule(encodeRuleReference({ family: 4, priority: 7 }))).toMatchObject({ action: 0, protocol: 0 });
  });
});

describe('what the kernel answers', () => {
  const found = captured.dumped((dump) => dump, decodeRule);
  const at = (family: number, priority: number) =>
    found.find((rule) => rule.family === family && rule.priority === priority);

  it.each(Object.entries({ ...rules, suppress: withoutDefaults }))('%s, as it was asked for', (_name, spec) => {
    expect(at(spec.family, spec.priority ?? 0)).toMatchObject(spec);
  });

  it('begins and ends with the rules of the kernel', () => {
    expect(found.filter(({ protocol }) => protocol === 2)).toMatchObject([
      { family: 4, priority: 0, action: 'lookup', table: 255 },
      { family: 4, priority: 32766, action: 'lookup', table: 254 },
      { family: 4, priority: 32767, action: 'lookup', table: 253 },
      { family: 6, priority: 0, action: 'lookup', table: 255 },
      { family: 6, priority: 32766, action: 'lookup', table: 254 },
    ]);
    expect(at(4, 1000)).toMatchObject({ protocol: 177 });
    expect(at(4, 0)).not.toHaveProperty('suppressPrefixLength');
  });

  it('keeps selectors that the library does not read', () => {
    // FRA_UID_RANGE, FRA_IP_PROTO, FRA_DPORT_RANGE (and its mask, since kernel 6.15)
    const other = at(4, 1006)?.other ?? [];
    expect(other.map(({ type }) => type)).toEqual(expect.arrayContaining([20, 22, 24]));
    expect(other.find(({ type }) => type === 24)?.data.toString('hex')).toBe('c539c539');
  });

  it('is read back to what asks for the same again', () => {
    for (const rule of found) {
      const { action } = rule;
      if (typeof action === 'number') throw new Error(`an action without a name: ${action}`);
      const again = decodeRule(encodeRule({ ...rule, action }));
      expect({ ...again, other: [], flags: rule.flags }).toEqual({ ...rule, other: [] });
    }
  });
});

it('a prefix of the other family is refused', () => {
  expect(() => encodeRule({ family: 4, from: 'fd00::/64', table: 7 })).toThrow(TypeError);
});
