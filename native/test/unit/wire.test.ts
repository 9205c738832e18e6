import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodeError } from '../../netlink-ts/errors.ts';
import { decodeAddress } from '../../netlink-ts/route/address.ts';
import { decodeLink } from '../../netlink-ts/route/link.ts';
import { decodeEvent } from '../../netlink-ts/route/monitor.ts';
import { decodeFdb, decodeNeighbour } from '../../netlink-ts/route/neighbour.ts';
import { decodeRoute } from '../../netlink-ts/route/route.ts';
import { decodeAcknowledgement, decodeDone } from '../../netlink-ts/wire/acknowledgement.ts';
import { AttributeReader, AttributeWriter } from '../../netlink-ts/wire/attributes.ts';
import { decodeMessages, encodeMessage } from '../../netlink-ts/wire/message.ts';
import { ipBytes, ipText, macBytes, macText } from '../../netlink-ts/wire/text.ts';

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((data) => Buffer.from(data));
const type = fc.integer({ min: 0, max: 0x3fff });

describe('attributes', () => {
  it('are read as they were written, one after the other', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(type, bytes(40))), (list) => {
        const writer = new AttributeWriter();
        for (const [kind, data] of list) writer.bytes(kind, data);
        const reader = new AttributeReader(writer.finish());
        const found: [number, Buffer][] = [];
        while (reader.next()) found.push([reader.type, reader.bytes()]);
        expect(reader.error).toBeUndefined();
        expect(found).toEqual(list);
      }),
    );
  });

  it('carry numbers of every width in the order of bytes that is asked for', () => {
    const writer = new AttributeWriter().u8(1, 0xfe).u16(2, 0xfedc).u32(3, 0xfedcba98).u64(4, 0xfedcba9876543210n);
    writer.be16(5, 0xfedc).be32(6, 0xfedcba98).be64(7, 0xfedcba9876543210n).i32(8, -2).string(9, 'wx7').flag(10);
    writer.nestedFlagged(11, (inner) => inner.u8(1, 7));
    const reader = new AttributeReader(writer.finish());
    const read = (get: () => unknown) => (reader.next() ? get() : 'nothing');
    expect(read(() => reader.u8())).toBe(0xfe);
    expect(read(() => reader.u16())).toBe(0xfedc);
    expect(read(() => reader.u32())).toBe(0xfedcba98);
    expect(read(() => reader.u64())).toBe(0xfedcba9876543210n);
    expect(read(() => [reader.be16(), reader.bytes().toString('hex')])).toEqual([0xfedc, 'fedc']);
    expect(read(() => reader.be32())).toBe(0xfedcba98);
    expect(read(() => reader.be64())).toBe(0xfedcba9876543210n);
    expect(read(() => reader.i32())).toBe(-2);
    expect(read(() => reader.string())).toBe('wx7');
    expect(read(() => reader.bytes().length)).toBe(0);
    expect(read(() => reader.nested)).toBe(true);
    const inner = reader.children();
    expect(inner.next() && inner.u8()).toBe(7);
  });

  it('that lie about their length are the first fault, and everything after reads as nothing', () => {
    const whole = new AttributeWriter().u32(1, 7).u32(2, 8).finish();
    for (const length of [0, 3, 9, 0xffff]) {
      const broken = Buffer.from(whole);
      broken.writeUInt16LE(length, 8);
      const reader = new AttributeReader(broken);
      expect([reader.next(), reader.u32()]).toEqual([true, 7]);
      const more = reader.next();
      expect(reader.error ?? (more ? undefined : 'ended')).toBeInstanceOf(DecodeError);
      expect(() => reader.check()).toThrow(DecodeError);
    }
    const short = new AttributeReader(new AttributeWriter().u8(1, 7).finish());
    short.next();
    expect(short.u32()).toBe(0);
    expect(short.error).toBeInstanceOf(DecodeError);
    expect(short.next()).toBe(false);
  });
});

describe('messages', () => {
  it('that share a datagram are told apart', () => {
    fc.assert(
      fc.property(fc.array(bytes(50), { minLength: 1, maxLength: 6 }), (payloads) => {
        const datagram = Buffer.concat(
          payloads.map((payload, i) => encodeMessage({ type: 16 + i, flags: 1, payload }, i + 1)),
        );
        const messages = decodeMessages(datagram);
        expect(messages.map(({ type: kind, sequence, payload }) => [kind, sequence, payload])).toEqual(
          payloads.map((payload, i) => [16 + i, i + 1, payload]),
        );
      }),
    );
  });
});

describe('addresses', () => {
  it('survive the way to bytes and back, in canonical text', () => {
    fc.assert(
      fc.property(fc.ipV4(), (text) => {
        expect(ipText(ipBytes(text))).toBe(text);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (data) => {
        const text = ipText(Buffer.from(data));
        expect(isIP(text)).toBe(6);
        expect(ipBytes(text)).toEqual(Buffer.from(data));
        // WHATWG's URL prints RFC 5952 text.
        expect(new URL(`http://[${text}]/`).hostname).toBe(`[${text}]`);
      }),
    );
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        expect(`[${ipText(ipBytes(text))}]`).toBe(new URL(`http://[${text}]/`).hostname);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (data) => {
        expect(macBytes(macText(Buffer.from(data)))).toEqual(Buffer.from(data));
      }),
    );
  });

  it('that are none are refused', () => {
    for (const text of ['', '1.2.3', '::g', '1.2.3.4/8']) expect(() => ipBytes(text)).toThrow(TypeError);
    for (const text of ['', '02:00:00:00:00', '02:00:00:00:00:0g']) expect(() => macBytes(text)).toThrow(TypeError);
  });
});

describe('decoders of whatever comes', () => {
  const decoders: Record<string, (data: Buffer) => unknown> = {
    messages: decodeMessages,
    link: decodeLink,
    address: decodeAddress,
    route: decodeRoute,
    neighbour: decodeNeighbour,
    fdb: decodeFdb,
    acknowledgement: (payload) => decodeAcknowledgement({ type: 2, flags: 0x200, sequence: 1, port: 0, payload }),
    done: (payload) => decodeDone({ type: 3, flags: 0, sequence: 1, port: 0, payload }),
    event: (data) => decodeEvent({ type: 16 + ((data[0] ?? 0) % 16), flags: 0, sequence: 0, port: 0, payload: data }),
  };
  /** Bytes that look like attributes, so that decoders get past the first check. */
  const plausible = fc
    .array(fc.tuple(fc.integer({ min: 0, max: 60 }), bytes(24)), { maxLength: 8 })
    .map((list) =>
      Buffer.concat([
        Buffer.alloc(16, list.length),
        list.reduce((writer, [kind, data]) => writer.bytes(kind, data), new AttributeWriter()).finish(),
      ]),
    );

  it.each(Object.keys(decoders))('%s: read it or throw a DecodeError, nothing else', (name) => {
    fc.assert(
      fc.property(fc.oneof(bytes(200), plausible), fc.nat(), (data, cut) => {
        try {
          decoders[name]?.(data.subarray(0, data.length - (cut % 4)));
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
      { numRuns: process.env.WEFT_LONG === undefined ? 3_000 : 1_000_000 },
    );
  });
});
