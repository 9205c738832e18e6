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
import { labUp } from '../../src/lab/lab.ts';
import type { Lab, LabHost, LabSession } from '../../src/lab/lab.ts';
import { OUTSIDE } from '../../src/lab/underlay.ts';
import { json, run } from '../support/docker.ts';
import { until } from '../support/until.ts';
import { answersOf, probeCommand, SERVER } from '../support/who-am-i.ts';
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
const ENDPOINTS: Record<string, [network: string, host: 1 | 2]> = {
  a1: ['acme/web', 1],
  a2: ['acme/web', 2],
  d1: ['acme/db', 1],
  d2: ['acme/db', 2],
  l2: ['acme/log', 2],
  i1: ['acme/in', 1],
  i2: ['acme/in', 2],
  b1: ['beta/web', 1],
  n1: ['gamma/lan', 1],
  n2: ['gamma/lan', 2],
};

/** Seen with its own address, with its host's, or not at all. */
type Seen = 'own' | 'host' | 'none';

const TABLE: [from: string, to: string, seen: Seen][] = [
  ['a1', 'a2', 'own'],
  ['a2', 'a1', 'own'],
  ['i1', 'i2', 'own'],
  ['n1', 'n2', 'own'],
  // a router, on one host and across two, where the other network is present or not
  ['a1', 'd1', 'own'],
  ['a1', 'd2', 'own'],
  ['a2', 'd1', 'own'],
  ['d1', 'a2', 'own'],
  ['d2', 'a1', 'own'],
  // no router
  ['a1', 'l2', 'none'],
  ['a2', 'l2', 'none'],
  ['l2', 'd2', 'none'],
  ['l2', 'a1', 'none'],
  ['a1', 'i1', 'none'],
  ['i2', 'a2', 'none'],
  // another tenant
  ['b1', 'a2', 'none'],
  ['b1', 'd1', 'none'],
  // the way out
  ['a1', 'outside', 'host'],
  ['a2', 'outside', 'host'],
  ['d2', 'outside', 'host'],
  ['l2', 'outside', 'host'],
  ['b1', 'outside', 'host'],
  ['i1', 'outside', 'none'],
  // its own network has the outside's addresses
  ['n1', 'outside', 'none'],
  // hosts of the cluster
  ['a1', 'host1', 'none'],
  ['a1', 'host2', 'none'],
  ['l2', 'host1', 'none'],
  ['i1', 'host1', 'none'],
];

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
  await Promise.all([
    ...lab.hosts.map((host) => serve(host)),
    ...Object.entries(ENDPOINTS).map(([name, [network, number]]) => attach(lab.host(number), network, name)),
  ]);
});

afterAll(async () => {
  outside.kill('SIGKILL');
  await Promise.all(sessions.map((session) => session.kill('KILL')));
  await lab.down();
});

async function attach(host: LabHost, network: string, name: string): Promise<void> {
  await run(host, 'ip', 'netns', 'add', name);
  const words = ['weft', 'endpoint', 'attach', network, '--netns', `/run/netns/${name}`, '--name', name];
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

describe('reach', () => {
  it.each([...new Set(TABLE.map(([from]) => from))])('of %s is what the table says', async (from) => {
    let wrong: string[] = [];
    // Other hosts learn of an endpoint after its attach is done.
    const right = async () => (wrong = await contradictions(from, 1_000)).length === 0;
    await until(right, { what: 'the table' }).catch(() => undefined);
    expect(wrong).toEqual([]);
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
});
