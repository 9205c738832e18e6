/** Whether a chain of iptables-legacy lets containers' packets through, judged by its rules in their order. */
import type { LegacyChain } from 'netlink-ts';
import { expect, it } from 'vitest';
import { dropsUplinks } from '../../../src/kernel/host-facts/legacy-tables.ts';

const rule = (text: string): LegacyChain['byInterface'][number] => {
  const [iifname = '', oifname = '', verdict = 'other'] = text.split(' ').map((word) => (word === '*' ? '' : word));
  return { iifname, oifname, verdict: verdict as 'accept' | 'drop' | 'other' };
};

it.each<[policy: 'accept' | 'drop', rules: string[], drops: boolean]>([
  ['accept', [], false],
  ['drop', [], true],
  ['drop', ['wu+ * accept'], true],
  ['drop', ['wu+ * accept', '* wu+ accept'], false],
  ['drop', ['w+ * accept', '* + accept'], false],
  ['drop', ['* * accept'], false],
  ['drop', ['* * other', 'wu+ * accept', '* wu+ accept'], false],
  ['drop', ['wu+ eth0 accept', 'eth0 wu+ accept'], true],
  ['drop', ['wuabc * accept', '* wuabc accept'], true],
  ['drop', ['* * drop', 'wu+ * accept', '* wu+ accept'], true],
  ['accept', ['* * drop'], true],
  ['accept', ['eth0 * drop', '* wc+ drop'], false],
  ['accept', ['wu+ * accept', '* wu+ accept', '* * drop'], false],
])('policy %s, %j: %s', (policy, rules, drops) => {
  expect(dropsUplinks({ policy, byInterface: rules.map(rule) })).toBe(drops);
});
