import { execFileSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { encodeFlowQuery } from '../../netlink-ts/conntrack/filter.ts';
import type { FlowFilter } from '../../netlink-ts/conntrack/filter.ts';
import {
  ConntrackSocket,
  IPS_ASSURED,
  monitorFlows,
  NETLINK_NETFILTER,
  NetlinkSocket,
  translationOf,
} from '../../netlink-ts/index.ts';
import type { FlowEvent } from '../../netlink-ts/index.ts';
import { comparable, textOf } from '../unit/conntrack-text.ts';
import { Flows } from './conntrack-flows.ts';
import { inNamespace, TestNamespaces } from './namespaces.ts';

const namespaces = new TestNamespaces();
let netns: string;
let flows: Flows;
let ct: ConntrackSocket;
beforeAll(async () => {
  netns = namespaces.make('conntrack');
  flows = new Flows(netns);
  ct = ConntrackSocket.open({ netns });
  await flows.begin();
}, 60_000);
afterAll(() => {
  ct.close();
  flows.end();
  namespaces.removeAll();
});

/** Timeouts run, and the tool has its own idea of them. */
const timeless = (line: string) => comparable(line).replace(/^((?:\S+ +){3}\d+) \d+/, '$1');

describe('the table', () => {
  it('is what the tool lists', async () => {
    // Polled: an acknowledgement may still come between the two readings.
    await expect
      .poll(async () => {
        const ours = (await ct.list()).map((flow) => timeless(textOf(flow)));
        const theirs = flows.listed().map(timeless);
        return { missing: theirs.filter((line) => !ours.includes(line)), count: ours.length - theirs.length };
      })
      .toEqual({ missing: [], count: 0 });
  });

  it('tells of NAT, zones, marks, labels, counters and times', async () => {
    const [translated] = await ct.list({ original: { destination: '10.0.0.99' } });
    expect(translated && translationOf(translated)).toEqual({ destination: { address: '10.0.0.2', port: 8080 } });
    const [zoned] = await ct.list({ zone: 7 });
    expect(zoned).toMatchObject({ zone: 7, mark: 0x1234, labels: [5], tcp: { state: 'ESTABLISHED' } });
    expect(zoned?.counters?.original.packets).toBeGreaterThan(1n);
    expect(Math.abs(Number((zoned?.timestamp?.start ?? 0n) / 1_000_000n) - Date.now())).toBeLessThan(60_000);
    const [half] = await ct.list({ zone: 9 });
    expect(half).toMatchObject({ zone: 0, original: { zone: 9, protocol: 17 } });
  });

  const filters: [string, FlowFilter, number][] = [
    ['family', { family: 6 }, 1],
    ['zone', { zone: 7 }, 1],
    ['no zone', { zone: 0 }, 5],
    ['mark', { mark: 0x34, markMask: 0xff }, 1],
    ['status', { status: IPS_ASSURED }, 2],
    ['addresses', { original: { source: '10.0.0.1', destination: '10.0.0.99' } }, 1],
    ['protocol', { family: 4, original: { protocol: 17 } }, 2],
    ['ports', { family: 4, original: { protocol: 6, destinationPort: 80 } }, 1],
    ['reply', { reply: { destination: '10.0.0.5' } }, 1],
  ];
  it.each(filters)('is filtered by %s in the kernel', async (_, filter, count) => {
    const wanted = (await ct.list(filter)).map(({ id }) => id);
    expect(wanted).toHaveLength(count);
    const socket = NetlinkSocket.open({ protocol: NETLINK_NETFILTER, netns });
    const sent = await socket.dump({ type: 0x101, flags: 0, payload: encodeFlowQuery(filter) });
    socket.close();
    // Older kernels send more, and ours leaves it out.
    expect(sent.length).toBeGreaterThanOrEqual(count);
    const [major = 0, minor = 0] = inNamespace(netns, 'uname', '-r').split('.').map(Number);
    if (major > 6 || (major === 6 && minor >= 8)) expect(sent).toHaveLength(count);
  });

  it('says how full it is', async () => {
    const fill = await ct.fill();
    expect(fill.entries).toBe(Number(flows.tool('-C')));
    expect(fill.maximum).toBe(Number(inNamespace(netns, 'sysctl', '-n', 'net.netfilter.nf_conntrack_max')));
    const inserted = (await ct.cpuStatistics()).map(({ cpu, insert }) => `cpu=${cpu} insert=${insert}`);
    const theirs = flows.tool('-S').matchAll(/(cpu=\d+).* (insert=\d+)/g);
    expect(inserted).toEqual([...theirs].map(([, cpu, insert]) => `${cpu} ${insert}`));
  });
});

describe('a flow', () => {
  it('is found by either direction, and by its id only where it is that one', async () => {
    const [flow] = await ct.list({ zone: 7 });
    if (!flow) throw new Error('no flow');
    const { original, reply, zone, id } = flow;
    expect(await ct.get({ original, zone })).toMatchObject({ id });
    expect(await ct.get({ reply, zone })).toMatchObject({ id });
    expect(await ct.get({ original, zone: 8 })).toBeUndefined();
    expect(await ct.get({ original, zone, id: (id ^ 1) >>> 0 })).toBeUndefined();
    expect(await ct.delete({ original, zone, id: (id ^ 1) >>> 0 })).toBe(false);
    expect(await ct.get(flow)).toMatchObject({ id });
  });

  it.each([
    ['with a zone', { original: { destination: '10.0.0.3', protocol: 6 } }],
    ['with a zone of one direction', { original: { destination: '10.0.0.4' } }],
    ['that is translated', { original: { destination: '10.0.0.99' } }],
    ['of ICMP', { family: 4, original: { protocol: 1 } }],
    ['of ICMPv6', { family: 6, original: { protocol: 58 } }],
    ['of SCTP', { family: 4, original: { protocol: 132 } }],
  ] satisfies [string, FlowFilter][])('%s goes when it is deleted, and nothing else', async (_, filter) => {
    const before = flows.listed().length;
    const [flow] = await ct.list(filter);
    expect(flow && (await ct.delete(flow))).toBe(true);
    expect(flow && (await ct.delete(flow))).toBe(false);
    expect(await ct.list(filter)).toEqual([]);
    const left = flows.listed();
    expect(left).toHaveLength(before - 1);
    expect(left.some((line) => line.includes(`id=${flow?.id}`))).toBe(false);
  });

  it('of SCTP that a real INIT began has its tag and state', async () => {
    // Ports 11 and 21, no tag yet, no checksum; a chunk INIT of 20 bytes: its tag, window, streams, first number.
    const init = Buffer.from(
      '000b0015' + '00000000' + '00000000' + '01000014' + '01020304' + '00010000' + '00010001' + '00000007',
      'hex',
    );
    const raw = ['socat', '-u', '-', 'IP4-SENDTO:10.0.0.2:132,bind=10.0.0.1'];
    execFileSync('nsenter', [`--net=${netns}`, ...raw], { input: init });
    const [flow] = await ct.list({ family: 4, original: { protocol: 132, sourcePort: 11, destinationPort: 21 } });
    expect(flow?.sctp?.tags).toEqual({ original: 0, reply: 0x01020304 });
    const line = flows.listed().find((text) => text.includes(`id=${flow?.id}`)) ?? '';
    expect(line).toMatch(new RegExp(`^ipv4 .* sctp .* ${flow?.sctp?.state} src=10.0.0.1`));
    expect(flow && (await ct.delete(flow))).toBe(true);
  });

  it('goes by its id alone', async () => {
    const [flow] = await ct.list({ original: { destination: '10.0.0.2', protocol: 17 } });
    expect(flow && (await ct.deleteById(flow.id))).toBe(true);
    expect(flow && (await ct.deleteById(flow.id))).toBe(false);
  });

  it('goes with its zone, and other zones stay', async () => {
    const add = (port: number, zone: number) =>
      flows.tool(...`-I -p udp -s 10.1.0.1 -d 10.1.0.2 --sport ${port} --dport 9 -t 300 -w ${zone}`.split(' '));
    for (let port = 1; port <= 40; port++) add(port, port % 2 === 0 ? 21 : 22);
    expect(await ct.deleteAll({ zone: 21 })).toBe(20);
    expect(flows.listed('-w', '21')).toEqual([]);
    expect(flows.listed('-w', '22')).toHaveLength(20);
    expect(await ct.deleteAll({ zone: 22 })).toBe(20);
  });
});

describe('events', () => {
  const stops: AbortController[] = [];
  afterEach(() => {
    for (const stop of stops.splice(0)) stop.abort();
  });
  function listen(filter = {}) {
    const stop = new AbortController();
    stops.push(stop);
    return monitorFlows({ netns, topics: ['new', 'update', 'destroy'], filter, signal: stop.signal });
  }
  async function collect(events: AsyncIterable<FlowEvent>, last: FlowEvent['kind']): Promise<FlowEvent[]> {
    const seen: FlowEvent[] = [];
    for await (const event of events) {
      seen.push(event);
      if (event.kind === last) break;
    }
    return seen;
  }

  it('tell of a connection from its beginning to its end', async () => {
    const events = listen({ zone: 7 });
    const client = flows.open('TCP:10.0.0.3:8080,bind=10.0.0.1:33010');
    const seen = collect(events, 'destroy');
    await expect.poll(() => flows.listed().some((line) => /sport=33010 .*ASSURED/.test(line))).toBe(true);
    const [flow] = await ct.list({ original: { source: '10.0.0.1', protocol: 6, sourcePort: 33010 } });
    expect(flow && (await ct.delete(flow))).toBe(true);
    client.kill();
    const told = await seen;
    expect(told.map(({ kind }) => kind)).toEqual(['new', 'update', 'update', 'destroy']);
    expect(told.map((event) => 'flow' in event && event.flow.tcp?.state)).toEqual([
      'SYN_SENT',
      'SYN_RECV',
      'ESTABLISHED',
      'ESTABLISHED',
    ]);
    for (const event of told) expect(event).toMatchObject({ flow: { id: flow?.id, zone: 7 } });
  });

  it('say that some were missed when there were too many', async () => {
    const events = listen();
    const seen = collect(events, 'overrun');
    const flood = `const socket = require('node:dgram').createSocket('udp4');
      socket.bind(0, '10.0.0.1', async () => {
        for (let port = 1; port <= 60000; port++) {
          if (port % 500) socket.send('x', port, '10.0.0.2');
          else await new Promise((done) => socket.send('x', port, '10.0.0.2', done));
        }
        socket.close();
      });`;
    // Synchronous: nothing is read meanwhile, as if the daemon were busy.
    execFileSync('nsenter', [`--net=${netns}`, process.execPath, '-e', flood]);
    expect((await seen).at(-1)).toEqual({ kind: 'overrun' });
  });
});
