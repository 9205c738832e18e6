/** Who reaches whom, and by which source address (reach/table.ts), on two real hosts; and what changes it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EgressView } from '../../src/control/routing-port.ts';
import type { PortExplanation, PortView } from '../../src/control/ports/port.ts';
import { labUp } from '../../src/lab/lab.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { OUTSIDE } from '../../src/lab/underlay.ts';
import { etcdctl, json, run } from '../support/docker.ts';
import { until } from '../support/until.ts';
import type { Probe } from '../support/who-am-i.ts';
import { ReachCluster } from './reach/cluster.ts';
import { ReachJudge } from './reach/judge.ts';
import { A1_PORT, L2_PORT, N1_PORT, PORT } from './reach/table.ts';

const NOBODY = ['--netns', '/run/netns/nobody'];

let lab: Lab;
let cluster: ReachCluster;
let judge: ReachJudge;

beforeAll(async () => {
  lab = await labUp({ name: `reach-${process.pid}`, hosts: 2, engine: 'none' });
  cluster = await ReachCluster.raise(lab);
  judge = new ReachJudge(cluster);
});

afterAll(async () => {
  cluster.end();
  await lab.down();
});

/** By one try of each. */
function answersFrom(name: string, probes: Probe[]): Promise<(string | null)[]> {
  return cluster.post(name).ask(probes, 1_000);
}

describe('reach', () => {
  it('is what the table says, from everywhere', async () => {
    expect(await judge.contradictions(60_000)).toEqual([]);
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
    const reached = async (name: string) => (await answersFrom(name, probes))[0];
    await run(lab.host(1), 'weft', 'egress', 'set', 'acme', '--allow', `${lab.host(1).address4}:${PORT}/tcp`);
    await until(async () => (await reached('a2')) === lab.host(2).address4, { what: 'an allowed daemon of host1' });
    await until(async () => (await reached('a1')) !== null, { what: 'an allowed daemon of its own host' });
    await run(lab.host(2), 'weft', 'egress', 'set', 'acme', '--off');
    probes[0]!.to = OUTSIDE.ipv4;
    await until(async () => (await reached('a2')) === null, { what: 'no way out' });
    expect(await run(lab.host(2), 'weft', 'egress', 'show', 'acme')).toContain('out     no');
    await run(lab.host(1), 'weft', 'egress', 'set', 'acme');
    await run(lab.host(1), 'weft', 'router', 'delete', 'acme/core');
    probes[0]!.to = cluster.addressesOf('d2')[0]!;
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
    expect(await judge.contradictionsFromOutside()).toEqual([]);
    const records = (prefix: string) => etcdctl(lab.host(1), 'get', '--prefix', `/weft/v1/${prefix}/`);
    const { node } = JSON.parse((await records('egress-holders')).split('\n')[1] ?? '') as { node: string };
    const gone = async () => !(await Promise.all(['egress-holders', 'live'].map(records))).join().includes(node);
    await lab.cut(2);
    await until(gone, { what: 'the end of host2’s leases', deadline: 60_000 });
    await until(() => isPinned('a1'), { what: 'a1 by the next node', deadline: 10_000 });
    await leads('host1');
    await lab.heal(2);
    await until(() => isPinned('d2'), { what: 'd2 by the pinned address again', deadline: 60_000 });
    await leads('host2');
    await until(() => isPinned('a1'), { what: 'a1 by the first node again' });
  });
});
