/**
 * rtnetlink kinds against bytes of a real kernel (6.18) and of iproute2 (6.1): `sent` holds the request that each command
 * made, seen by `strace -e trace=sendmsg -e write=all`; `dumped` what the kernel then answered to dumps.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeAddress, encodeAddress } from '../../netlink-ts/route/address.ts';
import { decodeLink, encodeLinkChange, encodeLinkCreate } from '../../netlink-ts/route/link.ts';
import { decodeFdb, decodeNeighbour, encodeFdb, encodeNeighbour } from '../../netlink-ts/route/neighbour.ts';
import { decodeRoute, encodeRoute } from '../../netlink-ts/route/route.ts';
import { AttributeReader } from '../../netlink-ts/wire/attributes.ts';

interface Captured {
  sent: { name: string; command: string; sent: { type: number; payload: string }[] }[];
  dumped: Record<'links' | 'addresses' | 'routes' | 'neighbours' | 'fdb', string[]>;
}

const captured = JSON.parse(readFileSync(new URL('../fixtures/route.json', import.meta.url), 'utf8')) as Captured;

/** The last message: iproute2 first asks whether the kernel knows strict checking. */
function sent(name: string): Buffer {
  const found = captured.sent.find((one) => one.name === name);
  return Buffer.from(found?.sent.at(-1)?.payload ?? '', 'hex');
}

const dumped = <T>(kind: keyof Captured['dumped'], decode: (payload: Buffer) => T | undefined): T[] =>
  captured.dumped[kind].flatMap((hex) => decode(Buffer.from(hex, 'hex')) ?? []);

const NESTED = new Set(['18', '18/2', '18/2/1', '18/5', '26', '26/10']);
const PEER = '18/2/1';
/** Kinds are sent with or without their final zero. */
const KIND = '18/1';
const HEADER = 16;

/** Attributes as a tree in the order of their types: the kernel does not care for their order, nor for the nested flag. */
function tree(buffer: Buffer, path = ''): unknown[] {
  const reader = new AttributeReader(buffer);
  const found: [number, unknown][] = [];
  while (reader.next()) {
    const at = path ? `${path}/${reader.type}` : String(reader.type);
    const data = reader.bytes();
    if (at === PEER) found.push([reader.type, [data.toString('hex', 0, HEADER), tree(data.subarray(HEADER), 'peer')]]);
    else if (at === KIND) found.push([reader.type, reader.string()]);
    else found.push([reader.type, NESTED.has(at) ? tree(data, at) : data.toString('hex')]);
  }
  reader.check();
  return found.sort(([a], [b]) => a - b);
}

function same(ours: Buffer, name: string, header: number): void {
  const theirs = sent(name);
  expect(ours.toString('hex', 0, header)).toBe(theirs.toString('hex', 0, header));
  expect(tree(ours.subarray(header))).toEqual(tree(theirs.subarray(header)));
}

const WB7 = 2;
const WX7 = 5;

describe('requests', () => {
  it('that make links are those of iproute2', () => {
    same(
      encodeLinkCreate({
        name: 'wb7',
        kind: 'bridge',
        address: '02:00:00:00:00:01',
        mtu: 1450,
        bridge: { mcastSnooping: false },
      }),
      'bridge',
      16,
    );
    same(
      encodeLinkCreate({
        name: 'we1',
        kind: 'veth',
        mtu: 1450,
        peer: { name: 'wc1', address: '02:00:00:00:00:02', mtu: 1400 },
      }),
      'veth',
      16,
    );
    const vxlan = { port: 14789, learning: false };
    same(
      encodeLinkCreate({
        name: 'wx7',
        kind: 'vxlan',
        mtu: 1450,
        vxlan: { id: 0x100000, local: '127.0.0.1', ...vxlan },
      }),
      'vxlan4',
      16,
    );
    same(encodeLinkCreate({ name: 'wx8', kind: 'vxlan', vxlan: { id: 7, local: '::1', ...vxlan } }), 'vxlan6', 16);
  });

  it('that change links are those of iproute2', () => {
    same(encodeLinkChange({ index: WX7, master: WB7 }), 'master', 16);
    const bridgePort = {
      learning: false,
      unicastFlood: false,
      mcastFlood: false,
      bcastFlood: false,
      neighSuppress: true,
    };
    // iproute2 names the port's kind in another attribute; the data is the same.
    const slaveData = (payload: Buffer) =>
      JSON.stringify(
        (tree(payload.subarray(16)) as [number, [number, unknown][]][])[0]?.[1].find(([type]) => type === 5),
      );
    expect(slaveData(encodeLinkChange({ index: WX7, bridgePort }))).toBe(slaveData(sent('port')));
    same(encodeLinkChange({ index: WB7, up: true }), 'up', 16);
  });

  it('for addresses, routes and neighbours are those of iproute2', () => {
    same(encodeAddress({ index: WB7, address: '10.1.0.1', prefix: 16 }), 'address4', 8);
    same(encodeNeighbour({ index: WB7, address: '10.1.0.9', mac: '02:00:00:00:00:09' }), 'neighbour4', 12);
    same(encodeNeighbour({ index: WB7, address: 'fd00:1::9', mac: '02:00:00:00:00:09' }), 'neighbour6', 12);
    same(encodeFdb({ index: WX7, mac: '02:00:00:00:00:0b', via: 'self', dst: '192.0.2.8' }), 'fdbSelf', 12);
  });

  it('that iproute2 words otherwise mean the same when they are read back', () => {
    expect(decodeAddress(encodeAddress({ index: WB7, address: 'fd00:1::1', prefix: 64, nodad: true }))).toMatchObject({
      address: 'fd00:1::1',
      prefix: 64,
      flags: 2,
    });
    expect(decodeAddress(sent('address6'))).toMatchObject({ index: WB7, address: 'fd00:1::1', prefix: 64 });
    const routes = {
      route4: { destination: '10.9.0.0/16', gateway: '10.1.0.9', oif: WB7, protocol: 177 },
      route6: { destination: '::/0', gateway: 'fd00:1::9', oif: WB7, metric: 7 },
    };
    for (const [name, spec] of Object.entries(routes)) {
      expect(decodeRoute(sent(name))).toMatchObject(spec);
      expect(decodeRoute(encodeRoute(spec))).toMatchObject(spec);
    }
    expect(decodeFdb(encodeFdb({ index: WX7, mac: '02:00:00:00:00:0b', via: 'master' }))).toMatchObject({
      via: 'master',
      state: 0x40,
    });
    expect(decodeFdb(sent('fdbMaster'))).toMatchObject({ index: WX7, via: 'master', mac: '02:00:00:00:00:0b' });
    expect(decodeLink(sent('alias'))).toMatchObject({ index: WB7, alias: 'weft:bridge:7' });
    expect(decodeLink(sent('group'))).toMatchObject({ group: 77 });
  });
});

describe('what the kernel answers', () => {
  it('to a dump of links', () => {
    const links = dumped('links', decodeLink);
    expect(links.map(({ name, kind }) => [name, kind])).toEqual([
      ['lo', undefined],
      ['wb7', 'bridge'],
      ['wc1', 'veth'],
      ['we1', 'veth'],
      ['wx7', 'vxlan'],
      ['wx8', 'vxlan'],
    ]);
    expect(links[1]).toMatchObject({
      index: WB7,
      up: true,
      mtu: 1450,
      address: '02:00:00:00:00:01',
      alias: 'weft:bridge:7',
      bridge: { mcastSnooping: false, ageingTime: 30_000, stp: false },
    });
    expect(links[2]).toMatchObject({ address: '02:00:00:00:00:02', mtu: 1400, link: links[3]?.index });
    expect(links[3]).toMatchObject({ group: 77, mtu: 1450 });
    expect(links[4]).toMatchObject({
      master: WB7,
      vxlan: { id: 0x100000, local: '127.0.0.1', port: 14789, learning: false },
      bridgePort: {
        learning: false,
        unicastFlood: false,
        mcastFlood: false,
        bcastFlood: false,
        neighSuppress: true,
        isolated: false,
      },
    });
    expect(links[5]).toMatchObject({ vxlan: { id: 7, local: '::1' } });
    // What the library does not read is kept, byte for byte.
    expect(links[1]?.other.length).toBeGreaterThan(5);
  });

  it('to dumps of addresses, routes, neighbours and forwarding entries', () => {
    expect(dumped('addresses', decodeAddress)).toMatchObject([
      { index: WB7, address: '10.1.0.1', prefix: 16, scope: 0 },
      { index: WB7, address: 'fd00:1::1', prefix: 64 },
    ]);
    const routes = dumped('routes', decodeRoute).filter((route) => route.table === 254);
    expect(routes).toContainEqual(
      expect.objectContaining({ destination: '10.9.0.0/16', gateway: '10.1.0.9', protocol: 177 }),
    );
    expect(routes).toContainEqual(expect.objectContaining({ destination: '::/0', gateway: 'fd00:1::9', metric: 7 }));
    const neighbours = dumped('neighbours', decodeNeighbour).filter(({ state }) => state === 0x80);
    expect(neighbours.map(({ address, mac }) => [address, mac])).toEqual([
      ['10.1.0.9', '02:00:00:00:00:09'],
      ['fd00:1::9', '02:00:00:00:00:09'],
    ]);
    const entries = dumped('fdb', decodeFdb).filter(({ mac }) => mac === '02:00:00:00:00:0b');
    expect(entries.map(({ via, dst, state }) => [via, dst, state]).sort()).toEqual([
      ['master', undefined, 0x40],
      ['self', '192.0.2.8', 0xc0],
    ]);
  });
});
