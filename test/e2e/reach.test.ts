/**
 * Who reaches whom, and by which source address, on two real hosts:
 *
 *   acme: web and db joined by a router, log beside them, in (internal)     host1: a1 d1 i1   b1 n1
 *   beta: web with acme's very addresses                                    host2: a2 d2 l2 i2   n2
 *   gamma: lan with the underlay's own
 */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EndpointView } from '../../src/control/port.ts';
import type { EgressView } from '../../src/control/routing-port.ts';
import type { PortExplanation, PortView } from '../../src/control/ports/port.ts';
import { labUp } from '../../src/lab/lab.ts';
import type { Lab, LabHost, LabSession } from '../../src/lab/lab.ts';
import { OUTSIDE } from '../../src/lab/underlay.ts';
import { json, run } from '../support/docker.ts';
import { until } from '../support/until.ts';
import { answersOf, probe, probeCommand, SERVER } from '../support/who-am-i.ts';
import type { Probe } from '../support/who-am-i.ts';

const PORT = 8080;
const NETWORKS = [
  { name: 'acme/web', subnets: ['10.10.0.0/16', 'fd00:10::/64'] },
  { name: 'acme/db', subnets: ['10.20.0.0/16', 'fd00:20::/64'] },
  { name: 'acme/log', subnets: ['10.30.0.0/16', 'fd00:30::/64'] },
  { name: 'acme/in', subnets: ['10.40.0.0/16', 'fd00:40::/64'], internal: true },
  { name: 'beta/web', subnets: ['10.10.0.0/16', 'fd00:10::/64'] },
  { name: 'gamma/lan', subnets: ['192.0.2.0/24', '2001:db8::/64'] },
];
const [A1_PORT, N1_PORT, L2_PORT] = [18_080, 18_081, 18_082];
const ENDPOINTS: Record<string, [network: string, host: 1 | 2, publishes?: number]> = {
  a1: ['acme/web', 1, A1_PORT],
  a2: ['acme/web', 2],
  d1: ['acme/db', 1],
  d2: ['acme/db', 2],
  l2: ['acme/log', 2, L2_PORT],
  i1: ['acme/in', 1],
  i2: ['acme/in', 2],
  b1: ['beta/web', 1],
  n1: ['gamma/lan', 1, N1_PORT],
  n2: ['gamma/lan', 2],
};

/** Seen with its own address, with its host's, or not at all. */
type Seen = 'own' | 'host' | 'none';

const TABLE: [from: string, to: string, seen: Seen][] = [
  ['a1', 'a2', 'own'],
  ['a2', 'a1', 'own'],
  ['i1', 'i2', 'own'],
  ['i2', 'i1', 'own'],
  ['n1', 'n2', 'own'],
  ['n2', 'n1', 'own'],
  // a router, on one host and across two, where the other network is present or not
  ['a1', 'd1', 'own'],
  ['a1', 'd2', 'own'],
  ['a2', 'd1', 'own'],
  ['d1', 'a2', 'own'],
  ['d2', 'a1', 'own'],
  ['d2', 'a2', 'own'],
  // no router
  ['a1', 'l2', 'none'],
  ['a2', 'l2', 'none'],
  ['l2', 'd2', 'none'],
  ['l2', 'a1', 'none'],
  ['a1', 'i1', 'none'],
  ['i1', 'a1', 'none'],
  ['i2', 'a2', 'none'],
  ['l2', 'i2', 'none'],
  // another tenant
  ['b1', 'a2', 'none'],
  ['b1', 'd1', 'none'],
  ['b1', 'd2', 'none'],
  ['b1', 'l2', 'none'],
  // the way out
  ['a1', 'outside', 'host'],
  ['a2', 'outside', 'host'],
  ['d1', 'outside', 'host'],
  ['d2', 'outside', 'host'],
  ['l2', 'outside', 'host'],
  ['b1', 'outside', 'host'],
  ['i1', 'outside', 'none'],
  ['i2', 'outside', 'none'],
  // its own network has the outside's addresses
  ['n1', 'outside', 'none'],
  ['n2', 'outside', 'none'],
  // hosts of the cluster
  ['a1', 'host1', 'none'],
  ['a1', 'host2', 'none'],
  ['l2', 'host1', 'none'],
  ['b1', 'host2', 'none'],
  ['i1', 'host1', 'none'],
  ['i2', 'host2', 'none'],
];

/** Of a client at a published port: its own address, its host's, that of the uplink, or it does not reach it. */
type SeenThere = Seen | 'uplink';

const PUBLISHED: [from: string, to: string, port: number, seen: SeenThere][] = [
  ['outside', 'host1', A1_PORT, 'own'],
  ['outside', 'host2', L2_PORT, 'own'],
  ['host2', 'host1', A1_PORT, 'own'],
  ['host1', 'host1', A1_PORT, 'own'],
  ['host1', 'host2', L2_PORT, 'own'],
  ['host2', 'host2', L2_PORT, 'own'],
  ['host1', '127.0.0.1', A1_PORT, 'uplink'],
  ['host2', '127.0.0.1', L2_PORT, 'uplink'],
  ['host1', '::1', A1_PORT, 'none'],
  ['host2', '127.0.0.1', A1_PORT, 'none'],
  // containers: of the same tenant, routed, another network, another tenant, itself
  ['a2', 'host1', A1_PORT, 'host'],
  ['d2', 'host1', A1_PORT, 'host'],
  ['l2', 'host1', A1_PORT, 'host'],
  ['l2', 'host2', L2_PORT, 'uplink'],
  ['d2', 'host2', L2_PORT, 'uplink'],
  ['a1', 'host2', L2_PORT, 'host'],
  ['b1', 'host2', L2_PORT, 'host'],
  ['a1', 'host1', A1_PORT, 'uplink'],
  ['d1', 'host1', A1_PORT, 'uplink'],
  ['b1', 'host1', A1_PORT, 'uplink'],
  // no way out; its own network has the host's addresses
  ['i1', 'host1', A1_PORT, 'none'],
  ['i2', 'host2', L2_PORT, 'none'],
  ['n2', 'host1', A1_PORT, 'none'],
  // the client's address is one of the container's own network
  ['outside', 'host1', N1_PORT, 'uplink'],
  ['host2', 'host1', N1_PORT, 'uplink'],
  ['a1', 'host1', N1_PORT, 'uplink'],
  ['a2', 'host1', N1_PORT, 'uplink'],
  // not what is not published
  ['outside', 'host2', A1_PORT, 'none'],
];

const NOBODY = ['--netns', '/run/netns/nobody'];

let lab: Lab;
const addresses = new Map<string, string[]>([['outside', [OUTSIDE.ipv4, OUTSIDE.ipv6]]]);
const sessions: LabSession[] = [];
let outside: ChildProcess;

beforeAll(async () => {
  lab = await labUp({ name: `reach-${process.pid}`, hosts: 2, engine: 'none' });
  const one = lab.host(1);
  for (const tenant of ['acme', 'beta', 'gamma']) await run(one, 'weft', 'tenant', 'create', tenant);
  for (const { name, subnets, internal } of NETWORKS) {
    const options = subnets.flatMap((subnet) => ['--subnet', subnet]);
    await run(one, 'weft', 'network', 'create', name, ...options, ...(internal ? ['--internal'] : []));
  }
  await run(one, 'weft', 'router', 'create', 'acme/core', '--network', 'web', '--network', 'db');
  for (const host of lab.hosts) addresses.set(host.name, [host.address4, host.address6]);
  const words = ['-t', String(lab.switchPid), '-n', process.execPath, '-e', SERVER, '--', String(PORT)];
  outside = spawn('nsenter', words, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(outside.stdout!, 'data');
  await Promise.all([...lab.hosts.map((host) => serve(host)), attachAll(1), attachAll(2)]);
});

afterAll(async () => {
  outside.kill('SIGKILL');
  await Promise.all(sessions.map((session) => session.kill('KILL')));
  await lab.down();
});

/** One after the other: an attach has a deadline, and a machine that also starts all the servers is busy. */
async function attachAll(host: 1 | 2): Promise<void> {
  for (const name of Object.keys(ENDPOINTS).filter((one) => ENDPOINTS[one]![1] === host)) await attach(name);
}

async function attach(name: string): Promise<void> {
  const [network, number, published] = ENDPOINTS[name]!;
  const host = lab.host(number);
  await run(host, 'ip', 'netns', 'add', name);
  const ports = published === undefined ? [] : ['tcp', 'udp'].flatMap((one) => ['-p', `${published}:${PORT}/${one}`]);
  const words = ['weft', 'endpoint', 'attach', network, '--netns', `/run/netns/${name}`, '--name', name, ...ports];
  const endpoint = await json<EndpointView>(host, ...words);
  addresses.set(
    name,
    endpoint.addresses.map((cidr) => cidr.split('/')[0] ?? ''),
  );
  await serve(host, name);
}

async function serve(host: LabHost, namespace?: string): Promise<void> {
  const enter = namespace === undefined ? [] : ['nsenter', `--net=/run/netns/${namespace}`];
  const session = await host.spawn([...enter, 'node', '-e', SERVER, '--', String(PORT)]);
  sessions.push(session);
  await once(session.stdout, 'data', { signal: AbortSignal.timeout(30_000) });
}

/** All that the table asks of one endpoint, at once; what is not as it says. */
async function contradictions(from: string, wait?: number): Promise<string[]> {
  const host = lab.host(ENDPOINTS[from]![1]);
  const rows = TABLE.filter(([name]) => name === from).flatMap(([, to, seen]) =>
    addresses.get(to)!.flatMap((address) =>
      (['TCP', 'UDP', 'ICMP'] as const).map((protocol) => ({
        probe: { protocol, to: address, port: PORT } satisfies Probe,
        expected: expectedOf(from, { address, protocol, seen }),
      })),
    ),
  );
  const probes = rows.map(({ probe }) => probe);
  const command = ['nsenter', `--net=/run/netns/${from}`, ...probeCommand('node', probes, wait)];
  const answers = answersOf(await run(host, ...command));
  return rows.flatMap(({ probe, expected }, i) =>
    answers[i] === expected ? [] : [`${from}: ${probe.protocol} to ${probe.to}: ${answers[i]}, not ${expected}`],
  );
}

function expectedOf(from: string, to: { address: string; protocol: Probe['protocol']; seen: Seen }): string | null {
  if (to.seen === 'none') return null;
  if (to.protocol === 'ICMP') return 'answers';
  const source = to.seen === 'own' ? addresses.get(from)! : addresses.get(`host${ENDPOINTS[from]![1]}`)!;
  return source.find((address) => address.includes(':') === to.address.includes(':')) ?? null;
}

/** From an endpoint, a host or the outside. */
async function answersFrom(from: string, probes: Probe[]): Promise<(string | null)[]> {
  if (from === 'outside') return await probe(`/proc/${lab.switchPid}/ns/net`, probes, 1_000);
  const host = lab.hosts.find(({ name }) => name === from) ?? lab.host(ENDPOINTS[from]![1]);
  const enter = host.name === from ? [] : ['nsenter', `--net=/run/netns/${from}`];
  return answersOf(await run(host, ...enter, ...probeCommand('node', probes, 1_000)));
}

interface Row {
  from: string;
  probe: Probe;
  seen: SeenThere;
  /** undefined: not asked yet */
  answer?: string | null;
}

function publishedRows(): Row[] {
  return PUBLISHED.flatMap(([from, to, port, seen]) =>
    (addresses.get(to) ?? [to]).flatMap((address) =>
      (['TCP', 'UDP'] as const).map((protocol) => ({ from, probe: { protocol, to: address, port }, seen })),
    ),
  );
}

/** Those of the rows that are not as they say, with what was answered. */
async function contradicted(rows: readonly Row[]): Promise<Row[]> {
  const froms = [...new Set(rows.map(({ from }) => from))];
  const asked = froms.map(async (from) => {
    const own = rows.filter((row) => row.from === from);
    const answers = await answersFrom(
      from,
      own.map(({ probe }) => probe),
    );
    return own.map((row, i): Row => ({ ...row, answer: answers[i] ?? null }));
  });
  return (await Promise.all(asked)).flat().filter((row) => !isAsSaid(row));
}

function isAsSaid({ from, seen, answer = null }: Row): boolean {
  if (seen === 'none' || answer === null) return seen === 'none' && answer === null;
  if (seen === 'uplink') return /^(169\.254\.|fd)/.test(answer);
  const host = ENDPOINTS[from] ? `host${ENDPOINTS[from][1]}` : from;
  return addresses.get(seen === 'own' ? from : host)!.includes(answer);
}

function told({ from, probe: { protocol, to, port }, seen, answer }: Row): string {
  return `${from}: ${protocol} to ${to} port ${port}: ${answer}, not ${seen}`;
}

describe('reach', () => {
  it.each([...new Set(TABLE.map(([from]) => from))])('of %s is what the table says', async (from) => {
    let wrong: string[] = [];
    // Other hosts learn of an endpoint after its attach is done.
    const right = async () => (wrong = await contradictions(from, 1_000)).length === 0;
    await until(right, { what: 'the table' }).catch(() => undefined);
    expect(wrong).toEqual([]);
  });

  it('of published ports is what their table says, from everywhere', async () => {
    const rows = publishedRows();
    // What was right once is not asked again: so many at a time are more than a busy machine answers in a second.
    let wrong = rows.filter(({ seen }) => seen !== 'none');
    const right = async () => (wrong = await contradicted(wrong)).length === 0;
    await until(right, { what: 'the table', deadline: 60_000 }).catch(() => undefined);
    expect(wrong.map(told)).toEqual([]);
    expect((await contradicted(rows.filter(({ seen }) => seen === 'none'))).map(told)).toEqual([]);
  });

  it('of a published port is told, listed, and refused to others with who has it', async () => {
    const listed = await json<PortView[]>(lab.host(2), 'weft', 'port', 'ls', '-A');
    expect(listed.map(({ node, hostPort, protocol, endpoint }) => [node, hostPort, protocol, endpoint])).toEqual([
      ['host1', A1_PORT, 'tcp', 'a1'],
      ['host1', A1_PORT, 'udp', 'a1'],
      ['host2', L2_PORT, 'tcp', 'l2'],
      ['host2', L2_PORT, 'udp', 'l2'],
      ['host1', N1_PORT, 'tcp', 'n1'],
      ['host1', N1_PORT, 'udp', 'n1'],
    ]);
    const words = ['weft', 'explain', 'port', `${A1_PORT}/tcp`] as const;
    const [told] = await json<PortExplanation[]>(lab.host(2), ...words);
    expect(told?.ways.filter(({ reaches }) => reaches).map(({ from }) => from)).toContain('other hosts');
    expect(told?.ways.find(({ from }) => from.includes('[::1]'))).toMatchObject({ reaches: false });
    expect(await run(lab.host(1), ...words)).toContain('leads to acme/web/a1');
    const taken = await lab.host(1).exec(['weft', 'endpoint', 'attach', 'acme/web', ...NOBODY, '-p', `${A1_PORT}:1`]);
    expect(taken.stderr).toContain(`${A1_PORT}/tcp is held by acme/web/a1`);
    const foreign = await lab.host(1).exec(['weft', 'endpoint', 'attach', 'acme/web', ...NOBODY, '-p', `${PORT}:1`]);
    expect(foreign.stderr).toMatch(/8080\/tcp is held by node \(pid \d+\)/);
    const own = await lab.host(1).exec(['weft', 'endpoint', 'attach', 'acme/web', ...NOBODY, '-p', '14789:1/udp']);
    expect(own.stderr).toContain('ports-unsupported');
  });

  it('follows what is said of the tenant, on every host', async () => {
    const probes: Probe[] = [{ protocol: 'TCP', to: lab.host(1).address4, port: PORT }];
    const reached = async (name: string) => {
      const host = lab.host(ENDPOINTS[name]![1]);
      const command = ['nsenter', `--net=/run/netns/${name}`, ...probeCommand('node', probes, 1_000)];
      return answersOf(await run(host, ...command))[0];
    };
    await run(lab.host(1), 'weft', 'egress', 'set', 'acme', '--allow', `${lab.host(1).address4}:${PORT}/tcp`);
    await until(async () => (await reached('a2')) === lab.host(2).address4, { what: 'an allowed daemon of host1' });
    await until(async () => (await reached('a1')) !== null, { what: 'an allowed daemon of its own host' });
    await run(lab.host(2), 'weft', 'egress', 'set', 'acme', '--off');
    probes[0]!.to = OUTSIDE.ipv4;
    await until(async () => (await reached('a2')) === null, { what: 'no way out' });
    expect(await run(lab.host(2), 'weft', 'egress', 'show', 'acme')).toContain('out     no');
    await run(lab.host(1), 'weft', 'egress', 'set', 'acme');
    await run(lab.host(1), 'weft', 'router', 'delete', 'acme/core');
    probes[0]!.to = addresses.get('d2')![0]!;
    await until(async () => (await reached('a1')) === null, { what: 'networks apart' });
    expect(await run(lab.host(2), 'weft', 'router', 'ls', '-A', '-o', 'json')).toBe('[]');
  });

  it('of a tenant with a pinned address is by it from every host, and by the next node when one is cut off', async () => {
    const pinned = ['192.0.2.50', '2001:db8::50'];
    const words = ['--node', 'host2', '--node', 'host1', ...pinned.flatMap((address) => ['--address', address])];
    await run(lab.host(1), 'weft', 'egress', 'set', 'acme', ...words);
    const leader = async () => (await json<EgressView>(lab.host(1), 'weft', 'egress', 'show', 'acme')).leader;
    const probes: Probe[] = [OUTSIDE.ipv4, OUTSIDE.ipv6].map((to) => ({ protocol: 'TCP', to, port: PORT }));
    const isPinned = async (name: string) => (await answersFrom(name, probes)).join() === pinned.join();
    const leads = async (name: string) => {
      await until(async () => (await leader()) === name, { what: `${name} to lead`, deadline: 60_000 });
      const holding = await Promise.all(lab.hosts.map((host) => run(host, 'ip', '-o', 'address', 'show', 'eth0')));
      expect(holding.map((shown) => shown.includes(' 192.0.2.50/32'))).toEqual([name === 'host1', name === 'host2']);
    };
    await leads('host2');
    for (const name of ['a1', 'd2']) await until(() => isPinned(name), { what: `${name} by the pinned address` });
    // Answers to clients of published ports leave where they came in.
    const clients = publishedRows().filter(({ from, seen }) => from === 'outside' && seen !== 'none');
    expect((await contradicted(clients)).map(told)).toEqual([]);
    await lab.cut(2);
    await until(() => isPinned('a1'), { what: 'a1 by the next node', deadline: 60_000 });
    await leads('host1');
    await lab.heal(2);
    await until(() => isPinned('d2'), { what: 'd2 by the pinned address again', deadline: 60_000 });
    await leads('host2');
    await until(() => isPinned('a1'), { what: 'a1 by the first node again' });
  });
});
