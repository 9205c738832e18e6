import { describe, expect, it } from 'vitest';
import { chooseUnderlay } from '../../../src/kernel/underlay-choice.ts';
import type { UnderlayFacts } from '../../../src/kernel/underlay-choice.ts';
import { PINNED_METRIC } from '../../../src/kernel/pinned-addresses.ts';

const NIC = { index: 2, name: 'eth0', flags: 1, up: true, mtu: 1500 };
const SECOND = { ...NIC, index: 3, name: 'eth1', mtu: 9000 };
const BRIDGE = { ...NIC, index: 4, name: 'docker0', kind: 'bridge' };

function facts(addresses: [index: number, cidr: string, metric?: number][], by?: number): UnderlayFacts {
  return {
    links: [NIC, SECOND, BRIDGE],
    addresses: addresses.map(([index, cidr, metric]) => {
      const [address = '', prefix] = cidr.split('/');
      return { index, address, prefix: Number(prefix), scope: 0, ...(metric === undefined ? {} : { metric }) };
    }),
    routes: by === undefined ? [] : [{ destination: '0.0.0.0/0', oif: by }],
  };
}

describe('the choice of the underlay', () => {
  const both = facts([
    [2, '192.0.2.1/24'],
    [3, '198.51.100.1/24'],
    [4, '172.17.0.1/16'],
  ]);

  it('refuses to guess between two cards, and names both', () => {
    expect(() => chooseUnderlay({}, both)).toThrow(
      expect.objectContaining({
        code: 'underlay-ambiguous',
        message: expect.stringMatching(/: 192\.0\.2\.1 on eth0, 198\.51\.100\.1 on eth1$/) as string,
      }),
    );
  });

  it('takes the card of the default route, or what is named', () => {
    expect(chooseUnderlay({}, { ...both, routes: [{ destination: '0.0.0.0/0', oif: 3 }] })).toMatchObject({
      ...{ address: '198.51.100.1', interface: 'eth1', mtu: 9000, subnets: ['198.51.100.0/24'] },
      addresses: ['192.0.2.1', '198.51.100.1'],
    });
    expect(chooseUnderlay({ interface: 'docker0' }, both).address).toBe('172.17.0.1');
    expect(chooseUnderlay({ address: '192.0.2.1' }, both).interface).toBe('eth0');
  });

  it('stays with the address in use while the host has it, whatever comes beside it', () => {
    const grown = facts(
      [
        [2, '192.0.2.7/24'],
        [2, '192.0.2.1/24'],
        [3, '198.51.100.1/24'],
      ],
      3,
    );
    for (const wish of [{}, { interface: 'eth0' }]) {
      expect(chooseUnderlay(wish, grown, '192.0.2.1').address).toBe('192.0.2.1');
    }
    const down = { ...grown, links: [{ ...NIC, up: false }, SECOND] };
    expect(chooseUnderlay({}, down, '192.0.2.1').address).toBe('192.0.2.1');
  });

  it('follows to the one that is left when the address in use is gone', () => {
    expect(chooseUnderlay({ interface: 'eth0' }, facts([[2, '192.0.2.9/24']]), '192.0.2.1').address).toBe('192.0.2.9');
    expect(chooseUnderlay({}, facts([[3, '198.51.100.9/24']], 3), '192.0.2.1').interface).toBe('eth1');
    const two = facts([
      [2, '192.0.2.8/24'],
      [2, '192.0.2.9/24'],
    ]);
    expect(() => chooseUnderlay({ interface: 'eth0' }, two, '192.0.2.1')).toThrow(/192\.0\.2\.8.*192\.0\.2\.9/);
  });

  it('keeps to the family of the address in use, to a fixed address, and takes no pinned one for the host’s own', () => {
    const six = facts([
      [2, '2001:db8::9/64'],
      [2, '192.0.2.1/24'],
    ]);
    expect(chooseUnderlay({ interface: 'eth0' }, six, '2001:db8::1').address).toBe('2001:db8::9');
    for (const addresses of [[[2, '192.0.2.9/24']], [[2, '192.0.2.1/32', PINNED_METRIC]]] as const) {
      const found = facts(addresses.map(([index, cidr, metric]) => [index, cidr, metric]));
      expect(() => chooseUnderlay({ address: '192.0.2.1' }, found, '192.0.2.1')).toThrow(
        /no IPv4 address 192\.0\.2\.1/,
      );
    }
  });
});
