import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openPacketLog } from '../../netlink-ts/index.ts';
import type { LoggedPacket, PacketLogEvent, PacketLogOptions } from '../../netlink-ts/index.ts';
import { inNamespace, TestNamespaces } from './namespaces.ts';

const RULESET = `table inet test {
  chain arriving { type filter hook input priority 0
    iif lo udp dport 7 meta mark set 0x77 log prefix "in weft " group 5
    ip6 nexthdr icmpv6 icmpv6 type echo-request log prefix "six" group 6
  }
  chain leaving { type filter hook output priority 0
    oif lo udp dport 7 log prefix "out " group 5
    ct state new udp dport 8 log prefix "tracked" group 7
    udp dport 9 log group 8
  }
}`;

const namespaces = new TestNamespaces();
const stops: AbortController[] = [];
let netns: string;
beforeEach(() => {
  netns = namespaces.make('nflog');
  inNamespace(netns, 'ip', 'link', 'set', 'lo', 'up');
  inNamespace(netns, 'ip', 'address', 'add', '10.0.0.1/32', 'dev', 'lo');
  execFileSync('nsenter', [`--net=${netns}`, 'nft', '-f', '-'], { input: RULESET });
});
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort();
  namespaces.removeAll();
});

async function listen(options: Omit<PacketLogOptions, 'netns' | 'signal'>) {
  const stop = new AbortController();
  stops.push(stop);
  return await openPacketLog({ netns, timeout: 10, ...options, signal: stop.signal });
}

async function take(log: AsyncIterator<PacketLogEvent>, count: number): Promise<LoggedPacket[]> {
  const packets: LoggedPacket[] = [];
  while (packets.length < count) {
    const next = await log.next();
    if (next.done || next.value.kind !== 'packet') throw new Error(`a packet was expected: ${JSON.stringify(next)}`);
    packets.push(next.value.packet);
  }
  return packets;
}

/** `count` datagrams from port 9000, each with its number. */
function send(port: number, count: number): void {
  const script = `const socket = require('node:dgram').createSocket('udp4');
    const send = (i) => new Promise((done) => socket.send('hello ' + i, ${port}, '10.0.0.1', done));
    socket.bind(9000, '10.0.0.1', async () => {
      for (let i = 0; i < ${count}; i += 100) {
        await Promise.all(Array.from({ length: Math.min(100, ${count} - i) }, (_, k) => send(i + k)));
      }
      socket.close();
    });`;
  execFileSync('nsenter', [`--net=${netns}`, process.execPath, '-e', script]);
}

describe('a log', () => {
  it('is of the packets that its rules log, in their order', async () => {
    const log = await listen({ group: 5, globalSequence: true });
    const before = Date.now();
    send(7, 3);
    const packets = await take(log, 6);
    expect(packets.map(({ prefix, sequence }) => [prefix, sequence])).toEqual([
      ['out ', 0],
      ['in weft ', 1],
      ['out ', 2],
      ['in weft ', 3],
      ['out ', 4],
      ['in weft ', 5],
    ]);
    const [left, arrived] = packets;
    expect(left).toMatchObject({ group: 5, family: 2, hook: 3, protocol: 0x800, output: 1, mark: 0, uid: 0, gid: 0 });
    expect(arrived).toMatchObject({ hook: 1, input: 1, mark: 0x77, hardwareType: 772, globalSequence: 2 });
    expect(left?.payload.toString('latin1', 28)).toBe('hello 0');
    expect(left?.payload.subarray(12, 24).toString('hex')).toBe('0a0000010a00000123280007');
    for (const { other } of packets) expect(other).toEqual([]);
    const time = Number((arrived?.timestamp ?? 0n) / 1_000_000n);
    expect(Math.abs(time - before)).toBeLessThan(60_000);
  });

  it('has as much of a packet as was asked for, and of IPv6 too', async () => {
    const [headers, none] = [await listen({ group: 6, range: 48 }), await listen({ group: 5, range: 0, threshold: 1 })];
    inNamespace(netns, 'ping', '-c1', '-q', '-s', '200', '::1');
    const [six] = await take(headers, 1);
    expect(six).toMatchObject({ family: 10, protocol: 0x86dd, prefix: 'six', group: 6 });
    expect(six?.payload).toHaveLength(48);
    expect(six?.payload.readUInt8(40)).toBe(128);
    send(7, 1);
    const [bare] = await take(none, 1);
    expect(bare).toMatchObject({ prefix: 'out ' });
    expect(bare?.payload).toHaveLength(0);
  });

  it('tells of the connection where it is asked to and the kernel can', async () => {
    const log = await listen({ group: 7, conntrack: true }).catch((error: unknown) => {
      // Without CONFIG_NETFILTER_NETLINK_GLUE_CT.
      expect(error).toMatchObject({ code: 'EOPNOTSUPP', op: 'bind log group 7' });
    });
    if (!log) return;
    send(8, 1);
    const [packet] = await take(log, 1);
    expect(packet?.flow).toMatchObject({
      family: 4,
      original: { source: '10.0.0.1', destination: '10.0.0.1', protocol: 17, sourcePort: 9000, destinationPort: 8 },
    });
  });

  it('is bound by one socket at a time, and free again after it', async () => {
    const stop = new AbortController();
    await openPacketLog({ netns, group: 5, signal: stop.signal });
    await expect(listen({ group: 5 })).rejects.toMatchObject({ code: 'EPERM', op: 'bind log group 5' });
    await listen({ group: 9 });
    // Another namespace has groups of its own.
    const elsewhere = namespaces.make('nflog-other');
    await openPacketLog({ netns: elsewhere, group: 5, signal: stop.signal });
    stop.abort();
    await expect.poll(() => listen({ group: 5 }).then(() => 'bound', String)).toBe('bound');
  });

  it('ends with its signal', async () => {
    const stop = new AbortController();
    const log = await openPacketLog({ netns, group: 5, signal: stop.signal });
    const next = log.next();
    stop.abort();
    expect(await next).toEqual({ value: undefined, done: true });
    await expect(openPacketLog({ netns, group: 5, signal: stop.signal })).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('says that packets were missed, and the gap in the numbers says how many', async () => {
    const log = await listen({ group: 8, range: 64, threshold: 1 });
    // Synchronous: nothing is read meanwhile, as if the daemon were busy. The kernel holds 8 MiB for the socket.
    send(9, 40_000);
    let read = 0;
    let last = 0;
    let missed = false;
    const more = setInterval(() => send(9, 1), 500);
    stops[0]?.signal.addEventListener('abort', () => clearInterval(more));
    while (last < 40_000) {
      const next = await log.next();
      if (next.done) throw new Error('the log ended');
      if (next.value.kind === 'overrun') missed = true;
      else {
        read++;
        last = next.value.packet.sequence ?? 0;
      }
    }
    clearInterval(more);
    expect(missed).toBe(true);
    expect(read).toBeLessThan(last + 1);
  });
});
