/** Queueing disciplines, filters and actions on the kernel, beside `tc`. */
import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../test/support/until.ts';
import {
  MATCH_EVERY_PACKET,
  monitorRoutes,
  NetlinkError,
  openNamespace,
  RouteSocket,
  writeSysctl,
} from '../../netlink-ts/index.ts';
import type { FilterSpec } from '../../netlink-ts/index.ts';
import { inNamespace, json, TestNamespaces } from './namespaces.ts';

const namespaces = new TestNamespaces();
const PACKETS = 5;
let path: string;
let rt: RouteSocket;
/** A pair: what leaves `out` comes in at `in`. And an ifb, to which packets are redirected. */
let links: Record<'in' | 'out' | 'ifb', number>;

beforeEach(async () => {
  path = namespaces.make('traffic');
  const namespace = openNamespace(path);
  // Nothing is sent but what a test sends.
  writeSysctl(namespace, 'net/ipv6/conf/all/disable_ipv6', '1');
  namespace.close();
  rt = RouteSocket.open({ netns: path });
  await rt.links.create({ name: 'in', kind: 'veth', up: true, peer: { name: 'out' } });
  await rt.links.create({ name: 'ifb', kind: 'ifb', up: true });
  links = { in: await index('in'), out: await index('out'), ifb: await index('ifb') };
  await rt.links.set({ index: links.out, up: true });
  await rt.addresses.add({ index: links.out, address: '10.1.0.1', prefix: 16 });
  await rt.neighbours.add({ index: links.out, address: '10.1.0.2', mac: '02:00:00:00:00:02' });
});
afterEach(() => {
  rt.close();
  namespaces.removeAll();
});

async function index(name: string): Promise<number> {
  const link = await rt.links.get({ name });
  if (!link) throw new Error(`no link ${name}`);
  return link.index;
}

/** Nobody answers them. */
function send(): void {
  const args = ['-q', '-c', String(PACKETS), '-i', '0.01', '-W', '0.1', '10.1.0.2'];
  const { stdout } = spawnSync('nsenter', [`--net=${path}`, 'ping', ...args], { encoding: 'utf8' });
  expect(stdout).toContain(`${PACKETS} packets transmitted`);
}

interface Theirs {
  kind: string;
  handle: string;
  options: { rate: number; lat: number; burst: string };
  bytes: number;
  packets: number;
}

const qdiscsOfTc = (device: string) =>
  json(path, 'tc', '-j', '-s', '-d', 'qdisc', 'show', 'dev', device) as unknown as Theirs[];

describe('queueing disciplines', () => {
  it('a token bucket is shown by tc as it was made, and changed in its place', async () => {
    const tbf = { rate: 1_250_000, burst: 16_384, limit: 30_000 };
    await rt.qdiscs.add({ index: links.out, kind: 'tbf', handle: 0x10000, tbf });
    const [theirs] = qdiscsOfTc('out');
    expect(theirs).toMatchObject({ kind: 'tbf', handle: '1:', root: true, options: { rate: 1_250_000 } });
    expect(theirs?.options.burst).toBe('16Kb/1');
    // tc has a limit as the microseconds that it takes beyond the burst.
    expect(theirs?.options.lat).toBe(Math.round(((tbf.limit - tbf.burst) / tbf.rate) * 1e6));
    expect(await rt.qdiscs.list({ index: links.out })).toMatchObject([{ kind: 'tbf', handle: 0x10000, tbf }]);
    const faster = { rate: 5_000_000_000, burst: 1_048_576, limit: 10_485_760 };
    await rt.qdiscs.replace({ index: links.out, kind: 'tbf', handle: 0x10000, tbf: faster });
    expect(qdiscsOfTc('out')[0]?.options.rate).toBe(faster.rate);
    const [found] = await rt.qdiscs.list({ index: links.out });
    expect(found?.tbf).toMatchObject({ rate: faster.rate, limit: faster.limit });
    await expect(rt.qdiscs.add({ index: links.out, kind: 'tbf', handle: 0x10000, tbf })).rejects.toMatchObject({
      code: 'EEXIST',
    });
    await rt.qdiscs.delete({ index: links.out });
    expect(qdiscsOfTc('out').map(({ kind }) => kind)).toEqual(['noqueue']);
  });

  it('count what passes them, as tc says', async () => {
    await rt.qdiscs.add({ index: links.out, kind: 'tbf', tbf: { rate: 1e9, burst: 100_000, limit: 100_000 } });
    send();
    const [ours] = await rt.qdiscs.list({ index: links.out });
    const [theirs] = qdiscsOfTc('out');
    expect(ours?.statistics).toMatchObject({ packets: BigInt(PACKETS), bytes: BigInt(theirs!.bytes), drops: 0 });
    expect(theirs).toMatchObject({ kind: 'tbf', packets: PACKETS });
  });

  it('a token bucket lets no more through than its rate, and counts the rest', async () => {
    // A burst of one packet, room for another to wait, and minutes until it may go. ping tries again what was dropped.
    await rt.qdiscs.add({ index: links.out, kind: 'tbf', tbf: { rate: 1, burst: 100, limit: 100 } });
    send();
    const [found] = await rt.qdiscs.list({ index: links.out });
    const { statistics } = found!;
    expect(statistics).toMatchObject({ packets: 1n, queueLength: 1 });
    expect(statistics?.drops).toBeGreaterThanOrEqual(PACKETS - 2);
    expect(statistics?.overlimits).toBeGreaterThan(0);
    const [theirs] = json(path, 'tc', '-j', '-s', 'qdisc', 'show', 'dev', 'out');
    expect(theirs).toMatchObject({ drops: statistics?.drops, overlimits: statistics?.overlimits, qlen: 1 });
    expect(theirs).toMatchObject({ backlog: statistics?.backlog, requeues: statistics?.requeues });
  });

  it('are refused with the kernel’s own words', async () => {
    await expect(rt.qdiscs.add({ index: links.out, kind: 'nonesuch' })).rejects.toMatchObject({
      kernelMessage: expect.stringContaining('qdisc kind is unknown') as string,
    });
    await expect(rt.qdiscs.delete({ index: links.in, parent: 'clsact' })).rejects.toBeInstanceOf(NetlinkError);
  });
});

describe('filters', () => {
  const redirect = (priority = 1): FilterSpec => ({
    index: links.in,
    parent: 'ingress',
    priority,
    handle: 1,
    kind: 'bpf',
    bpf: {
      instructions: MATCH_EVERY_PACKET,
      actions: [{ mirred: { do: 'redirect', at: 'egress', device: links.ifb } }],
    },
  });

  beforeEach(async () => {
    await rt.qdiscs.add({ index: links.in, kind: 'clsact' });
  });

  interface Shown {
    options?: { handle: string; bytecode: object; actions: { stats: { packets: number } }[] };
  }

  const filtersOfTc = () =>
    json(path, 'tc', '-j', '-s', 'filter', 'show', 'dev', 'in', 'ingress').filter(
      (one) => 'options' in one,
    ) as unknown as (Shown & Record<string, unknown>)[];

  it('redirect what comes in to an ifb, whose bucket then holds it to a rate', async () => {
    await rt.qdiscs.add({ index: links.ifb, kind: 'tbf', tbf: { rate: 1e9, burst: 100_000, limit: 100_000 } });
    await rt.filters.add(redirect());
    send();
    const [theirs] = filtersOfTc();
    expect(theirs).toMatchObject({
      protocol: 'all',
      pref: 1,
      kind: 'bpf',
      options: {
        handle: '0x1',
        bytecode: { length: 1, insns: MATCH_EVERY_PACKET },
        actions: [
          {
            kind: 'mirred',
            mirred_action: 'redirect',
            direction: 'egress',
            to_dev: 'ifb',
            stats: { packets: PACKETS },
          },
        ],
      },
    });
    const [ours, ...more] = await rt.filters.list({ index: links.in, parent: 'ingress' });
    expect(more).toEqual([]);
    expect(ours).toMatchObject({ ...redirect(), bpf: { instructions: MATCH_EVERY_PACKET } });
    expect(ours?.bpf?.actions).toMatchObject([
      { mirred: { do: 'redirect', at: 'egress', device: links.ifb }, statistics: { packets: BigInt(PACKETS) } },
    ]);
    const hook = (await rt.qdiscs.list({ index: links.in })).find(({ kind }) => kind === 'clsact');
    expect(hook?.statistics?.packets).toBe(BigInt(PACKETS));
    const passed = async () => (await rt.qdiscs.list({ index: links.ifb }))[0]?.statistics?.packets;
    await until(async () => (await passed()) === BigInt(PACKETS), { what: 'packets through the ifb' });
  });

  it('that tc made are read: u32 with its options, mirrors at egress', async () => {
    const tc = (...args: string[]) => inNamespace(path, 'tc', 'filter', 'add', 'dev', 'in', ...args);
    const mirror = ['action', 'mirred', 'egress', 'mirror', 'dev', 'ifb'];
    tc('egress', 'protocol', 'ip', 'prio', '5', 'bpf', 'bytecode', '1,6 0 0 7', 'flowid', '1:1', ...mirror);
    tc('egress', 'protocol', 'ip', 'prio', '6', 'u32', 'match', 'ip', 'dst', '10.9.0.0/16', ...mirror);
    const [bpf, ...u32] = await rt.filters.list({ index: links.in, parent: 'egress' });
    expect(bpf).toMatchObject({
      parent: 'egress',
      priority: 5,
      protocol: 0x800,
      kind: 'bpf',
      bpf: {
        classId: 0x10001,
        directAction: false,
        instructions: [{ code: 6, jt: 0, jf: 0, k: 7 }],
        actions: [{ mirred: { do: 'mirror', at: 'egress', device: links.ifb } }],
      },
    });
    expect(u32.map(({ kind, priority }) => [kind, priority])).toEqual(u32.map(() => ['u32', 6]));
    expect(u32.at(-1)?.other).toMatchObject([{ type: 2 }]);
    expect(await rt.filters.list({ index: links.in, parent: 'ingress' })).toEqual([]);
  });

  it('are replaced in one step, and go by priority or with their qdisc', async () => {
    await rt.filters.add(redirect(1));
    await rt.filters.add(redirect(2));
    await expect(rt.filters.add(redirect(1))).rejects.toMatchObject({ code: 'EEXIST' });
    const mirror = { do: 'mirror', at: 'ingress', device: links.out } as const;
    const changed = redirect(1);
    changed.bpf = { instructions: MATCH_EVERY_PACKET, actions: [{ mirred: mirror }] };
    await rt.filters.replace(changed);
    const at = { index: links.in, parent: 'ingress' } as const;
    const found = await rt.filters.list(at);
    expect(found.map(({ priority, bpf }) => [priority, bpf?.actions[0]?.mirred?.do])).toEqual([
      [1, 'mirror'],
      [2, 'redirect'],
    ]);
    expect(found[0]?.bpf?.actions).toMatchObject([{ mirred: mirror }]);
    await rt.filters.delete({ ...at, priority: 1 });
    await rt.filters.delete({ ...at, priority: 2, kind: 'bpf', handle: 1 });
    expect(await rt.filters.list(at)).toEqual([]);
    await rt.filters.add(redirect());
    await rt.qdiscs.delete({ index: links.in, parent: 'clsact' });
    expect(filtersOfTc()).toEqual([]);
  });

  it('that match everything without a program are shown by tc', async ({ skip }) => {
    const actions = [{ mirred: { do: 'redirect', at: 'egress', device: links.ifb } }] as const;
    const spec: FilterSpec = { ...redirect(7), kind: 'matchall', matchall: { actions } };
    delete spec.bpf;
    try {
      await rt.filters.add(spec);
    } catch (error) {
      const lacks = error instanceof NetlinkError && error.kernelMessage === 'TC classifier not found';
      skip(lacks, 'this kernel has no matchall classifier');
      throw error;
    }
    expect(filtersOfTc()).toMatchObject([{ kind: 'matchall', pref: 7 }]);
    expect(await rt.filters.list({ index: links.in, parent: 'ingress' })).toMatchObject([{ matchall: { actions } }]);
  });

  it('are heard of as they come and go, and their qdiscs', async () => {
    const stop = new AbortController();
    const events = monitorRoutes({ netns: path, topics: ['traffic'], signal: stop.signal });
    inNamespace(path, 'tc', 'qdisc', 'add', 'dev', 'out', 'clsact');
    await rt.filters.add(redirect());
    inNamespace(path, 'tc', 'filter', 'del', 'dev', 'in', 'ingress', 'prio', '1');
    const heard = [await events.next(), await events.next(), await events.next()].map(({ value }) => value as unknown);
    expect(heard).toMatchObject([
      { kind: 'qdisc', change: 'new', qdisc: { index: links.out, kind: 'clsact' } },
      { kind: 'filter', change: 'new', filter: { index: links.in, kind: 'bpf', priority: 1 } },
      { kind: 'filter', change: 'delete', filter: { index: links.in, priority: 1 } },
    ]);
    stop.abort();
  });
});
