/**
 * NFLOG against bytes of a real kernel (6.18): `sent` is what `tcpdump -i nflog:5` (4.99) asked for, `received` what it was
 * told of two UDP datagrams, one through lo and one that left on a veth, under the ruleset of the fixture
 * (`strace -e trace=sendto,recvfrom -e write=all -e read=all`).
 */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeLogConfiguration } from '../../netlink-ts/nflog/configuration.ts';
import { decodePacket } from '../../netlink-ts/nflog/packet.ts';
import { encodeTuple } from '../../netlink-ts/conntrack/tuple.ts';
import { AttributeReader, AttributeWriter } from '../../netlink-ts/wire/attributes.ts';
import { fuzz } from './fuzz.ts';

const fixture = new URL('../fixtures/nflog.json', import.meta.url);
const captured = JSON.parse(readFileSync(fixture, 'utf8')) as Record<'sent' | 'received', string[]>;
const HEADER = 4;

function attributesOf(message: Buffer): [number, string][] {
  const reader = new AttributeReader(message.subarray(HEADER));
  const found: [number, string][] = [];
  while (reader.next()) found.push([reader.type, reader.bytes().toString('hex')]);
  reader.check();
  return found;
}

const packets = captured.received.map((hex) => decodePacket(Buffer.from(hex, 'hex')));

describe('a configuration', () => {
  it('is what tcpdump says in two messages, and the rest of it', () => {
    // The first two are for kernels before 3.0: they bind protocol families.
    const theirs = captured.sent.slice(2).map((hex) => Buffer.from(hex, 'hex'));
    const ours = encodeLogConfiguration({ group: 5, range: 0x40000 });
    for (const message of theirs) expect(message.subarray(0, HEADER)).toEqual(ours.subarray(0, HEADER));
    expect(attributesOf(ours)).toEqual([...theirs.flatMap(attributesOf), [6, '0001']]);
  });

  it('can ask for everything there is', () => {
    const all = encodeLogConfiguration({
      group: 0xffff,
      range: 0,
      threshold: 7,
      timeout: 25,
      bufferSize: 8192,
      globalSequence: true,
      conntrack: true,
    });
    expect(all.toString('hex', 0, HEADER)).toBe('0000ffff');
    expect(attributesOf(all)).toEqual([
      [1, '01'],
      [2, '000000000100'],
      [3, '00002000'],
      [4, '00000003'],
      [5, '00000007'],
      [6, '0007'],
    ]);
    for (const group of [-1, 65536, 1.5]) expect(() => encodeLogConfiguration({ group })).toThrow(RangeError);
  });
});

describe('a packet', () => {
  const datagram = /^4500002202674000401124630a0000010a00000123280007000e142168656c6c6f0a$/;

  it('that leaves has its way out and who sent it', () => {
    const { payload, ...sent } = packets[0] ?? { payload: undefined };
    expect(sent).toEqual({
      group: 5,
      family: 2,
      hook: 3,
      protocol: 0x800,
      prefix: 'out ',
      mark: 0,
      output: 1,
      uid: 0,
      gid: 0,
      other: [],
    });
    expect(payload?.toString('hex')).toMatch(datagram);
  });

  it('that arrives has its way in, its time and its link', () => {
    const { payload, hardwareHeader, ...arrived } = packets[1] ?? {};
    expect(arrived).toEqual({
      group: 5,
      family: 2,
      hook: 1,
      protocol: 0x800,
      prefix: 'in weft ',
      mark: 0x77,
      input: 1,
      hardwareAddress: '00:00:00:00:00:00',
      hardwareType: 772,
      timestamp: 0x6b015a57n * 1_000_000_000n + 0x59318n * 1_000n,
      other: [],
    });
    expect(payload?.toString('hex')).toMatch(datagram);
    expect(hardwareHeader?.toString('hex')).toBe('0000000000000000000000000800');
  });

  it('of a device has its Ethernet header', () => {
    expect(packets[2]).toMatchObject({
      family: 5,
      hook: 0,
      prefix: 'wire',
      input: 2,
      hardwareAddress: '02:00:00:00:00:01',
      hardwareType: 1,
      uid: 0,
      other: [],
    });
    expect(packets[2]?.hardwareHeader?.toString('hex')).toBe('0200000000020200000000010800');
    expect(packets[2]?.payload.toString('latin1').endsWith('hi\n')).toBe(true);
  });

  it('tells of ports, numbers, tags and connections', () => {
    // Built from nfnetlink_log.h: tcpdump asks for none of it.
    const tuple = { source: '10.0.0.1', destination: '10.0.0.2', protocol: 6, sourcePort: 1, destinationPort: 2 };
    const message = new AttributeWriter().raw(Buffer.from('0a000007', 'hex'));
    message.be32(6, 11).be32(7, 12).be32(12, 4_000_000_000).be32(13, 5);
    message.nestedFlagged(20, (vlan) => vlan.be16(1, 0x8100).be16(2, 0x2007));
    message.nestedFlagged(18, (flow) => encodeTuple(flow, 1, tuple)).be32(19, 2);
    expect(decodePacket(message.finish())).toMatchObject({
      group: 7,
      family: 10,
      physicalInput: 11,
      physicalOutput: 12,
      sequence: 4_000_000_000,
      globalSequence: 5,
      vlan: { protocol: 0x8100, tci: 0x2007 },
      flow: { family: 6, original: tuple },
      // NFULA_CT_INFO
      other: [{ type: 19, data: Buffer.from([0, 0, 0, 2]) }],
    });
  });

  it('with anything else keeps it', () => {
    const data = fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.array(fc.record({ type: fc.integer({ min: 30, max: 0x3fff }), data })), (other) => {
        const message = new AttributeWriter().raw(Buffer.alloc(HEADER));
        for (const { type, data: bytes } of other) message.bytes(type, bytes);
        expect(decodePacket(message.finish()).other).toEqual(other);
      }),
    );
  });
});

describe('the decoder of whatever comes', () => {
  it('packet: reads it or throws a DecodeError, nothing else', () => fuzz(decodePacket, HEADER));
});
