/**
 * Answers about kinds that the kernel of the captures lacks. Their requests are captured (it refuses them); these bytes are
 * built from the kernel's uapi by the C program beside the fixture.
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { decodeLink } from '../../netlink-ts/route/link.ts';
import { decodeFilter } from '../../netlink-ts/route/traffic/filter.ts';

type Message = 'dummy' | 'vlan' | 'ipvlan' | 'matchall';
const fixture = new URL('../fixtures/route-absent.json', import.meta.url);
const built = JSON.parse(readFileSync(fixture, 'utf8')) as Record<Message, string>;
const bytesOf = (message: Message) => Buffer.from(built[message], 'hex');

it('dummy, vlan, ipvlan', () => {
  expect(decodeLink(bytesOf('dummy'))).toMatchObject({ index: 7, name: 'wd0', kind: 'dummy', otherInfo: [] });
  expect(decodeLink(bytesOf('vlan'))).toMatchObject({
    name: 'wv0.8',
    link: 6,
    kind: 'vlan',
    // IFLA_VLAN_FLAGS
    vlan: { id: 8, protocol: 0x88a8, other: [{ type: 2 }] },
  });
  expect(decodeLink(bytesOf('ipvlan'))).toMatchObject({ kind: 'ipvlan', ipvlan: { mode: 'l3s', flags: 1, other: [] } });
});

it('matchall', () => {
  expect(decodeFilter(bytesOf('matchall'))).toMatchObject({
    index: 6,
    parent: 'ingress',
    priority: 7,
    protocol: 3,
    handle: 1,
    kind: 'matchall',
    matchall: {
      classId: 0x10001,
      actions: [
        {
          kind: 'mirred',
          mirred: { do: 'redirect', at: 'egress', device: 2 },
          statistics: { bytes: 420n, packets: 5n, drops: 1, overlimits: 2 },
        },
      ],
      // TCA_MATCHALL_FLAGS
      other: [{ type: 3 }],
    },
  });
});
