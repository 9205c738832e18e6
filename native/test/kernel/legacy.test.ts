/** What iptables-legacy writes is read as it meant it. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openNamespace, readLegacyTable } from '../../netlink-ts/index.ts';
import type { Namespace } from '../../netlink-ts/index.ts';
import { inNamespace, TestNamespaces } from './namespaces.ts';

const namespaces = new TestNamespaces();
let path: string;
let netns: Namespace;

beforeEach(() => {
  path = namespaces.make('legacy');
  netns = openNamespace(path);
});
afterEach(() => {
  netns.close();
  namespaces.removeAll();
});

/** A kernel may be built without these tables. */
function lacks(program: string): boolean {
  const probe = namespaces.make('legacy-probe');
  try {
    inNamespace(probe, program, '-S');
    return false;
  } catch {
    return true;
  } finally {
    namespaces.removeAll();
  }
}

describe.each([
  [4, 'iptables-legacy', '192.0.2.0/24'],
  [6, 'ip6tables-legacy', '2001:db8::/32'],
] as const)('a table of IPv%s', (family, program, range) => {
  const iptables = (text: string) => inNamespace(path, program, ...text.split(' '));
  const filter = () => readLegacyTable(family, 'filter', netns);

  test.skipIf(lacks(program))('is empty until there is a rule, whatever its policies', () => {
    iptables('-P FORWARD DROP');
    const none = { policy: 'accept', byInterface: [] };
    expect(filter()).toEqual({
      empty: true,
      chains: { input: none, forward: { ...none, policy: 'drop' }, output: none },
    });
    iptables('-A INPUT -s 192.0.2.1 -j ACCEPT'.replace('192.0.2.1', range));
    expect(filter()).toMatchObject({ empty: false, chains: { input: none } });
  });

  test.skipIf(lacks(program))('shows what a chain does by interface alone, in its order', () => {
    for (const rule of [
      '-i wu+ -j ACCEPT',
      '-p tcp -m tcp --dport 80 -j ACCEPT',
      '-m conntrack --ctstate ESTABLISHED -j ACCEPT',
      '-p udp -j DROP',
      `-s ${range} -j DROP`,
      '! -i eth0 -j DROP',
      '-i wu0 -o eth0 -j DROP',
      '-o wu+ -j REJECT',
      '-j LOG',
      '-j RETURN',
    ])
      iptables(`-A FORWARD ${rule}`);
    expect(filter().chains.forward).toEqual({
      policy: 'accept',
      byInterface: [
        { iifname: 'wu+', oifname: '', verdict: 'accept' },
        { iifname: 'wu0', oifname: 'eth0', verdict: 'drop' },
        { iifname: '', oifname: 'wu+', verdict: 'drop' },
        { iifname: '', oifname: '', verdict: 'other' },
        { iifname: '', oifname: '', verdict: 'other' },
      ],
    });
  });
});

test('that is not there is refused by name', () => {
  const op = 'read the table nothing of iptables-legacy';
  expect(() => readLegacyTable(4, 'nothing', netns)).toThrow(expect.objectContaining({ op }));
  expect(() => readLegacyTable(4, 'x'.repeat(32), netns)).toThrow(RangeError);
});
