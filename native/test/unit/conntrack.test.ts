/**
 * Connection tracking against bytes of a real kernel (6.18) and of conntrack-tools (1.4.7): `sent` holds the request that
 * each command made, `dumped` and `events` what the kernel told the tool, and the line that the tool made of it
 * (`strace -e trace=sendto,recvmsg -e write=all -e read=all`).
 */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeFlowQuery, flowMatches } from '../../netlink-ts/conntrack/filter.ts';
import { decodeFlow } from '../../netlink-ts/conntrack/flow.ts';
import type { Flow } from '../../netlink-ts/conntrack/flow.ts';
import { decodeFlowEvent } from '../../netlink-ts/conntrack/monitor.ts';
import { encodeFlowReference } from '../../netlink-ts/conntrack/reference.ts';
import { decodeCpuStatistics, decodeTableFill } from '../../netlink-ts/conntrack/statistics.ts';
import { translationOf } from '../../netlink-ts/conntrack/translation.ts';
import { decodeTuple, encodeTuple } from '../../netlink-ts/conntrack/tuple.ts';
import type { Tuple } from '../../netlink-ts/conntrack/tuple.ts';
import { AttributeReader, AttributeWriter } from '../../netlink-ts/wire/attributes.ts';
import { comparable, textOf } from './conntrack-text.ts';
import { fuzz } from './fuzz.ts';

interface Captured {
  sent: { command: string; payload: string }[];
  dumped: { line: string; payload: string }[];
  statistics: Record<'fill' | 'fillText' | 'cpus' | 'cpusText', string[]>;
  events: { line: string; type: number; flags: number; payload: string }[];
}

const captured = JSON.parse(readFileSync(new URL('../fixtures/conntrack.json', import.meta.url), 'utf8')) as Captured;
const HEADER = 4;

function sent(command: string): Buffer {
  return Buffer.from(captured.sent.find((one) => one.command === command)?.payload ?? '', 'hex');
}

const dumped = captured.dumped.map(({ payload }) => decodeFlow(Buffer.from(payload, 'hex')));

function flowTo(destination: string, protocol: number): Flow {
  const found = dumped.find((flow) => flow.original.destination === destination && flow.original.protocol === protocol);
  if (!found) throw new Error(`no flow to ${destination} was captured`);
  return found;
}

function attributesOf(buffer: Buffer): [number, string][] {
  const reader = new AttributeReader(buffer.subarray(HEADER));
  const found: [number, string][] = [];
  while (reader.next()) found.push([reader.type, reader.bytes().toString('hex')]);
  reader.check();
  return found;
}

describe('flows', () => {
  it.each(captured.dumped.map(({ line }, i) => [line, i] as const))('%s', (line, i) => {
    expect(textOf(dumped[i] as Flow)).toBe(comparable(line));
  });

  it('keep what the tool does not print', () => {
    const zoned = flowTo('10.0.0.3', 6);
    expect(zoned).toMatchObject({ zone: 7, labels: [5], tcp: { windowScale: { original: 10, reply: 10 } } });
    expect(zoned.timestamp?.start).toBeGreaterThan(1_700_000_000_000_000_000n);
    // CTA_SYNPROXY
    expect(flowTo('10.0.0.2', 132).other.map(({ type }) => type)).toContain(24);
    // The tool sends the tags that it was told in host byte order.
    expect(flowTo('10.0.0.2', 132).sctp).toEqual({
      state: 'ESTABLISHED',
      tags: { original: 0x0b000000, reply: 0x0c000000 },
    });
  });

  it('say what NAT made of them', () => {
    expect(translationOf(flowTo('10.0.0.99', 6))).toEqual({ destination: { address: '10.0.0.2', port: 8080 } });
    expect(translationOf(flowTo('10.0.0.2', 17))).toEqual({ source: { address: '10.0.0.5', port: 4000 } });
    expect(translationOf(flowTo('10.0.0.3', 6))).toEqual({});
  });
});

describe('events', () => {
  it.each(captured.events.map((event) => [event.line, event] as const))('%s', (line, { type, flags, payload }) => {
    const event = decodeFlowEvent({ type, flags, sequence: 0, port: 0, payload: Buffer.from(payload, 'hex') });
    expect(event?.kind).toBe(/^\[(\w+)\]/.exec(line)?.[1]?.toLowerCase());
    expect(event && 'flow' in event && textOf(event.flow)).toBe(comparable(line));
  });

  it('of other kinds are none', () => {
    expect(decodeFlowEvent({ type: 0x201, flags: 0, sequence: 0, port: 0, payload: Buffer.alloc(0) })).toBeUndefined();
  });
});

describe('requests', () => {
  it('that list flows are those of the tool', () => {
    const ours = encodeFlowQuery({ family: 6, mark: 5, markMask: 0xff });
    expect(ours.toString('hex')).toBe(sent('conntrack -L -f ipv6 -m 5/255').toString('hex'));
  });

  it('ask the kernel to compare parts of a tuple', () => {
    // Built from nfnetlink_conntrack.h: the tool compares these itself.
    const ours = encodeFlowQuery({ zone: 7, original: { source: '10.0.0.1', protocol: 6, destinationPort: 80 } });
    expect(attributesOf(ours)).toEqual([
      [18, '0007'],
      [1, '0c000180080001000a00000114000280050001000600000006000300' + '00500000'],
      [25, '08000100' + '29000000' + '08000200' + '00000000'],
    ]);
    expect(ours[0]).toBe(2);
    const portsAlone = encodeFlowQuery({ family: 4, original: { destinationPort: 80 }, status: 4 });
    expect(attributesOf(portsAlone)).toEqual([
      [3, '00000004'],
      [26, '00000004'],
    ]);
  });

  it.each([
    ['conntrack -G -p tcp -s 10.0.0.1 -d 10.0.0.99 --sport 33001 --dport 80', flowTo('10.0.0.99', 6)],
    ['conntrack -D -p tcp -s 10.0.0.1 -d 10.0.0.3', flowTo('10.0.0.3', 6)],
    ['conntrack -D -p udp -d 10.0.0.4', flowTo('10.0.0.4', 17)],
    ['conntrack -D -p icmp', flowTo('10.0.0.2', 1)],
    ['conntrack -D -p icmpv6 -f ipv6', flowTo('fd00::2', 58)],
    ['conntrack -D -p sctp', flowTo('10.0.0.2', 132)],
  ])('that name a flow say what the tool says of it: %s', (command, { original, reply, zone, id }) => {
    const theirs = attributesOf(sent(command));
    const ours = encodeFlowReference({ original, zone });
    expect(ours[0]).toBe(sent(command)[0]);
    for (const attribute of attributesOf(ours)) expect(theirs).toContainEqual(attribute);
    if (command.includes('-D')) {
      for (const attribute of attributesOf(encodeFlowReference({ reply, zone })))
        expect(theirs).toContainEqual(attribute);
    }
    const withId = attributesOf(encodeFlowReference({ original, zone, id }));
    expect(withId.at(-1)).toEqual([12, id.toString(16).padStart(8, '0')]);
    expect(withId.some(([type]) => type === 18)).toBe(zone !== 0);
  });
});

describe('a filter', () => {
  const all = dumped.length;
  const taken = (filter: Parameters<typeof flowMatches>[1]) =>
    dumped.filter((flow) => flowMatches(flow, filter)).length;

  it('takes the flows that are all it says', () => {
    expect(taken({})).toBe(all);
    expect(taken({ family: 6 })).toBe(1);
    expect(taken({ zone: 7 })).toBe(1);
    expect(taken({ zone: 9 })).toBe(1);
    expect(taken({ zone: 0 })).toBe(all - 2);
    expect(taken({ mark: 0x1234 })).toBe(1);
    expect(taken({ mark: 0xff34, markMask: 0xff })).toBe(1);
    expect(taken({ status: 4 })).toBe(2);
    expect(taken({ original: { protocol: 6, destinationPort: 80 } })).toBe(1);
    expect(taken({ original: { source: 'FD00:0::2' } })).toBe(1);
    expect(taken({ reply: { source: '10.0.0.2', protocol: 6 } })).toBe(1);
  });
});

describe('statistics', () => {
  it('say how full the table is', () => {
    const [fill = ''] = captured.statistics.fill;
    expect(decodeTableFill(Buffer.from(fill, 'hex'))).toEqual({ entries: 3, maximum: 262144 });
  });

  it('of each processor are those that the tool prints', () => {
    const named = (text: string) => text.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
    captured.statistics.cpus.forEach((payload, i) => {
      const { chainTooLong, ...ours } = decodeCpuStatistics(Buffer.from(payload, 'hex'));
      const theirs = [...(captured.statistics.cpusText[i] ?? '').matchAll(/(\w+)=(\d+)/g)];
      expect({ ...ours, chaintoolong: chainTooLong }).toEqual(
        Object.fromEntries(theirs.map(([, name = '', count]) => [named(name), Number(count)])),
      );
    });
  });
});

describe('tuples', () => {
  const port = fc.integer({ min: 0, max: 65535 });
  const byte = fc.integer({ min: 0, max: 255 });
  const address = (ip: fc.Arbitrary<string>) => fc.record({ source: ip, destination: ip });
  const zone = fc.option(port, { nil: undefined }).map((number) => (number === undefined ? {} : { zone: number }));
  const layer = fc.oneof(
    fc.record({ protocol: fc.constantFrom(6, 17, 132), sourcePort: port, destinationPort: port }),
    fc.record({ protocol: fc.constantFrom(1, 58), icmp: fc.record({ id: port, type: byte, code: byte }) }),
    fc.record({ protocol: fc.constant(50) }),
  );
  const six = fc.array(fc.integer({ min: 1, max: 0xffff }), { minLength: 8, maxLength: 8 });
  const ip = fc.oneof(address(fc.ipV4()), address(six.map((words) => words.map((n) => n.toString(16)).join(':'))));

  it('survive the way to bytes and back', () => {
    fc.assert(
      fc.property(ip, layer, zone, (ends, proto, place) => {
        const tuple: Tuple = { ...ends, ...proto, ...place };
        const writer = new AttributeWriter();
        encodeTuple(writer, 1, tuple);
        const reader = new AttributeReader(writer.finish());
        expect(reader.next() && decodeTuple('tuple', reader.bytes())).toEqual(tuple);
      }),
    );
  });
});

describe('decoders of whatever comes', () => {
  const decoders: Record<string, (data: Buffer) => unknown> = {
    flow: decodeFlow,
    fill: decodeTableFill,
    cpu: decodeCpuStatistics,
    tuple: (data) => decodeTuple('tuple', data.subarray(HEADER)),
    event: (payload) =>
      decodeFlowEvent({ type: 0x100 | ((payload[0] ?? 0) % 3), flags: 0, sequence: 0, port: 0, payload }),
  };

  it.each(Object.keys(decoders))('%s: read it or throw a DecodeError, nothing else', (name) => {
    fuzz(decoders[name] ?? (() => undefined), HEADER);
  });
});
