/** Kinds of links, port flags, other names and counters against captured bytes, both ways. */
import { describe, expect, it } from 'vitest';
import { decodeCountedLink, decodeLink, encodeLinkChange, encodeLinkCreate } from '../../netlink-ts/route/link.ts';
import type { LinkSpec } from '../../netlink-ts/route/link.ts';
import { AttributeReader } from '../../netlink-ts/wire/attributes.ts';
import { Captured, tree } from './route-tree.ts';

const captured = new Captured('links');
const shape = { header: 16, nested: ['18', '18/2', '18/5'], text: ['18/1'] };
const WV0 = 6;
const WV1 = 5;
const WB0 = 4;

describe('requests are those of iproute2', () => {
  const created: Record<string, LinkSpec> = {
    dummy: { name: 'wd0', kind: 'dummy' },
    ifb: { name: 'wi0', kind: 'ifb' },
    bridgeFiltering: { name: 'wb1', kind: 'bridge', bridge: { vlanFiltering: true } },
    bridge: { name: 'wb0', kind: 'bridge', bridge: { mcastSnooping: false, ageingTime: 60_000 } },
    vlan: { name: 'wv0.7', kind: 'vlan', link: WV0, vlan: { id: 7 } },
    vlanAd: { name: 'wv0.8', kind: 'vlan', link: WV0, vlan: { id: 8, protocol: 0x88a8 } },
    macvlan: { name: 'wm0', kind: 'macvlan', link: WV0, macvlan: { mode: 'bridge' } },
    macvlanPrivate: { name: 'wm1', kind: 'macvlan', link: WV0, macvlan: { mode: 'private' } },
    ipvlan: { name: 'wp0', kind: 'ipvlan', link: WV0, ipvlan: { mode: 'l3', flags: 0 } },
    ipvlanL2: { name: 'wp1', kind: 'ipvlan', link: WV0, ipvlan: { mode: 'l2', flags: 1 } },
  };

  it.each(Object.keys(created))('%s', (name) => {
    captured.same(encodeLinkCreate(created[name]!), name, shape);
  });

  it('flags of a port', () => {
    const ours = encodeLinkChange({
      index: WV1,
      bridgePort: {
        hairpin: true,
        learning: false,
        unicastFlood: false,
        mcastFlood: false,
        bcastFlood: false,
        neighSuppress: true,
        isolated: true,
      },
    });
    // iproute2 names the port's kind in another attribute (18/1 for 18/4); the data is the same.
    const data = (payload: Buffer) => tree(payload.subarray(16), { ...shape, skip: ['18/1', '18/4'] });
    expect(data(ours)).toEqual(data(captured.sent('port')));
  });
});

describe('what the kernel answers', () => {
  const links = new Map(captured.dumped((dump) => dump, decodeLink).map((link) => [link.name, link]));

  it('says what each kind is set to', () => {
    expect([...links].map(([name, { kind }]) => [name, kind])).toEqual([
      ['lo', undefined],
      ['wi0', 'ifb'],
      ['wb0', 'bridge'],
      ['wv1', 'veth'],
      ['wv0', 'veth'],
      ['wm0', 'macvlan'],
      ['wm1', 'macvlan'],
    ]);
    expect(links.get('wb0')).toMatchObject({
      bridge: { vlanFiltering: false, mcastSnooping: false, ageingTime: 60_000 },
    });
    expect(links.get('wm0')).toMatchObject({ link: WV0, group: 42, macvlan: { mode: 'bridge', flags: 0 } });
    expect(links.get('wm1')).toMatchObject({ link: WV0, group: 0, macvlan: { mode: 'private' } });
    expect(links.get('wv1')).toMatchObject({
      master: WB0,
      portKind: 'bridge',
      bridgePort: {
        state: 3,
        hairpin: true,
        learning: false,
        unicastFlood: false,
        mcastFlood: false,
        bcastFlood: false,
        neighSuppress: true,
        isolated: true,
      },
    });
  });

  it('names other names and counters', () => {
    expect(links.get('wi0')?.altNames).toEqual(['a-name-that-is-longer-than-fits', 'second']);
    expect(links.get('wv0')?.altNames).toBeUndefined();
    const counters = (name: string) =>
      captured.dumped((dump) => dump, decodeCountedLink).find((link) => link.name === name)?.statistics;
    expect(counters('wv0')).toMatchObject({ rxPackets: 2n, rxBytes: 180n, txPackets: 1n, txBytes: 90n });
    expect(counters('wi0')).toMatchObject({ rxPackets: 1n, rxBytes: 70n, rxDropped: 1n, txBytes: 0n });
  });

  it('is kept, byte for byte, where the library does not read it', () => {
    const raw = captured.dumped(
      (dump) => dump,
      (payload) => payload,
    );
    for (const payload of raw) {
      const link = decodeLink(payload);
      const attributes = payload.subarray(16);
      for (const { type, data } of link.other) expect(attribute(attributes, type)).toEqual(data);
      for (const { type, data } of link.bridge?.other ?? []) expect(attribute(attributes, 18, 2, type)).toEqual(data);
      for (const { type, data } of link.bridgePort?.other ?? []) {
        expect(attribute(attributes, 18, 5, type)).toEqual(data);
      }
    }
    const other = (name: string) => links.get(name)?.other.map(({ type }) => type);
    // IFLA_TXQLEN, IFLA_OPERSTATE, IFLA_QDISC, IFLA_STATS64; IFLA_BR_PRIORITY; IFLA_BRPORT_COST; IFLA_MACVLAN_BC_QUEUE_LEN.
    expect(other('lo')).toEqual(expect.arrayContaining([13, 16, 6, 23]));
    expect(links.get('wb0')?.bridge?.other.map(({ type }) => type)).toContain(6);
    expect(links.get('wv1')?.bridgePort?.other.map(({ type }) => type)).toContain(3);
    expect(links.get('wm0')?.macvlan?.other.map(({ type }) => type)).toContain(7);
  });

  it('of kinds that the library does not know is kept whole', () => {
    const bond = encodeLinkCreate({ name: 'b', kind: 'bond', vlan: { id: 7 } });
    expect(decodeLink(bond)).toMatchObject({
      kind: 'bond',
      otherInfo: [{ type: 2, data: Buffer.from('0600010007000000', 'hex') }],
    });
    expect(decodeLink(bond).vlan).toBeUndefined();
  });
});

function attribute(buffer: Buffer, type: number, ...inner: number[]): Buffer {
  const reader = new AttributeReader(buffer);
  while (reader.next() && reader.type !== type);
  const data = reader.type === type ? reader.bytes() : Buffer.alloc(0);
  const [next, ...rest] = inner;
  return next === undefined ? data : attribute(data, next, ...rest);
}
