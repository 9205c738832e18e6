/** The main job on three hosts with real Docker engines: containers reach each other, tenants do not, drift is repaired. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EndpointView, NetworkView, StatusView } from '../../src/control/port.ts';
import { labUp } from '../../src/lab/lab.ts';
import type { Lab, LabHost } from '../../src/lab/lab.ts';
import {
  createDockerNetwork,
  inTenant,
  json,
  leftovers,
  reaches,
  run,
  startServer,
  storeKeys,
  whoAnswers,
} from '../support/docker.ts';
import { until } from '../support/until.ts';
import { VxlanCapture } from '../support/vxlan-capture.ts';

const TENANTS = ['acme', 'beta'] as const;
const SUBNETS = ['10.10.0.0/16', 'fd00:10::/64'];
const NUMBERS = [1, 2, 3] as const;
const REPAIR = 5_000;

let lab: Lab;

beforeAll(async () => {
  lab = await labUp({ name: `overlay-${process.pid}`, hosts: 3, engine: 'docker' });
  for (const tenant of TENANTS) {
    for (const host of lab.hosts) await createDockerNetwork(host, { tenant, name: tenant, subnets: SUBNETS });
    await Promise.all(
      NUMBERS.map((n) =>
        startServer(lab.host(n), container(tenant, n), [
          '--network',
          tenant,
          '--ip',
          address4(n),
          '--ip6',
          address6(n),
        ]),
      ),
    );
  }
});

afterAll(async () => {
  await lab.down();
});

const container = (tenant: string, n: number) => `${tenant}-${n}`;
const address4 = (n: number) => `10.10.0.${n * 10}`;
const address6 = (n: number) => `fd00:10::${n * 10}`;

async function repairs(host: LabHost, kind: string): Promise<number> {
  const status = await json<StatusView>(host, 'weft', 'status');
  return status.repairs.byKind[kind] ?? 0;
}

describe('an overlay across three hosts', () => {
  it('carries 1 MB by IPv4 and IPv6 between all containers of a tenant, each answering as itself', async () => {
    const networks = await json<NetworkView[]>(lab.host(2), 'weft', 'network', 'ls', '-A');
    const vnis = networks.map(({ vni }) => vni);
    expect(new Set(vnis).size).toBe(2);
    const capture = await VxlanCapture.start(['nsenter', '-t', String(lab.switchPid), '-n'], 14789);
    for (const tenant of TENANTS) {
      for (const from of NUMBERS) {
        for (const to of NUMBERS.filter((n) => n !== from)) {
          for (const address of [address4(to), address6(to)]) {
            expect(await whoAnswers(lab.host(from), container(tenant, from), address)).toBe(container(tenant, to));
          }
        }
      }
    }
    await capture.stop();
    expect(new Set(capture.frames.map(({ vni }) => vni))).toEqual(new Set(vnis));
    expect(capture.frames.length).toBeGreaterThan(500);
    expect(capture.flooded()).toEqual([]);
  });

  it('carries packets of its whole MTU and no larger ones', async () => {
    const df = (size: number) => ['-M', 'do', '-s', String(size)];
    for (const to of [2, 3]) {
      expect(await reaches(lab.host(1), 'acme-1', address4(to), df(1450 - 28))).toBe(true);
      expect(await reaches(lab.host(1), 'acme-1', address6(to), df(1450 - 48))).toBe(true);
      expect(await reaches(lab.host(1), 'acme-1', address4(to), df(1450 - 27))).toBe(false);
    }
  });

  it('never lets a tenant see another, though both have the same addresses on the same hosts', async () => {
    await startServer(lab.host(3), 'beta-only', ['--network', 'beta', '--ip', '10.10.0.99', '--ip6', 'fd00:10::99']);
    expect(await reaches(lab.host(1), 'beta-1', '10.10.0.99')).toBe(true);
    const capture = await VxlanCapture.start(['nsenter', '-t', String(lab.switchPid), '-n'], 14789);
    const tries = NUMBERS.flatMap((n) =>
      ['10.10.0.99', 'fd00:10::99'].map((address) => reaches(lab.host(n), container('acme', n), address)),
    );
    expect(await Promise.all(tries)).toEqual(tries.map(() => false));
    await capture.stop();
    const { mac } = (await json<EndpointView[]>(lab.host(1), 'weft', 'endpoint', 'ls', '-t', 'beta')).find(
      ({ addresses }) => addresses.includes('10.10.0.99/16'),
    )!;
    expect(capture.frames.filter(({ to }) => to === mac)).toEqual([]);
    await run(lab.host(3), 'docker', 'rm', '-f', 'beta-only');
  });

  it('shows every endpoint of the cluster from any host', async () => {
    for (const host of lab.hosts) {
      const endpoints = await json<EndpointView[]>(host, 'weft', 'endpoint', 'ls', '-A');
      expect(endpoints).toHaveLength(6);
      expect(endpoints.map(({ state }) => state)).toEqual(Array(6).fill('ready'));
      expect(new Set(endpoints.map(({ node }) => node))).toEqual(new Set(['host1', 'host2', 'host3']));
    }
  });

  it('keeps a stream alive while weftd is killed and restarted on both of its hosts', async () => {
    await run(lab.host(1), 'docker', 'exec', '-d', 'acme-1', 'iperf3', '-s', '-1');
    const listening = ['docker', 'exec', 'acme-1', 'grep', '-q', ':1451 ', '/proc/net/tcp6'];
    await until(async () => (await lab.host(1).exec(listening)).exitCode === 0, { what: 'iperf3 listens on 5201' });
    const client = await lab
      .host(2)
      .spawn([...['docker', 'exec', 'acme-2', 'iperf3', '-c', address4(1), '-t', '6', '-b', '200M', '--json']]);
    for (const n of [1, 2]) {
      await lab.host(n).kill('weftd');
      await lab.host(n).start('weftd');
    }
    const result = await client.exited;
    expect(result.exitCode, result.stdout).toBe(0);
    const report = JSON.parse(result.stdout) as { error?: string; intervals: { sum: { bytes: number } }[] };
    expect(report.error).toBeUndefined();
    expect(report.intervals.length).toBeGreaterThanOrEqual(6);
    for (const { sum } of report.intervals) expect(sum.bytes).toBeGreaterThan(0);
    for (const n of [1, 2]) {
      const status = await json<StatusView>(lab.host(n), 'weft', 'status');
      expect(status.repairs).toMatchObject({ total: 0 });
    }
  });

  it('repairs within 5 s, under traffic, what is deleted by hand, and counts it', async () => {
    const host = lab.host(1);
    const [{ vni } = { vni: 0 }] = await json<NetworkView[]>(host, 'weft', 'network', 'ls', '-t', 'acme');
    const damage: [string, string[]][] = [
      ['vxlan', ['ip', 'link', 'del', `wx${vni}`]],
      ['fdb', ['bridge', 'fdb', 'flush', 'dev', `wx${vni}`]],
      ['neighbour', ['ip', 'neigh', 'flush', 'dev', `wb${vni}`, 'nud', 'permanent']],
    ];
    const traffic = await host.spawn(['docker', 'exec', 'acme-1', 'ping', '-i', '0.05', '-W', '1', address4(2)]);
    for (const [kind, command] of damage) {
      const before = await repairs(host, kind);
      await inTenant(host, 'acme', ...command);
      await until(async () => (await repairs(host, kind)) > before, { what: `${kind} repaired`, deadline: REPAIR });
      await until(() => reaches(host, 'acme-1', address4(3)), { what: `traffic after ${kind}`, deadline: REPAIR });
    }
    await traffic.kill('INT');
    expect(await whoAnswers(host, 'acme-1', address6(2))).toBe('acme-2');
  });

  it('leaves nothing behind, on the hosts or in etcd, 45 s after everything is removed', async () => {
    for (const tenant of TENANTS) {
      for (const n of NUMBERS) {
        await run(lab.host(n), 'docker', 'rm', '-f', container(tenant, n));
        await run(lab.host(n), 'docker', 'network', 'rm', tenant);
      }
    }
    const clean = async () => {
      const onHosts = (await Promise.all(lab.hosts.map(leftovers))).flat();
      const inStore = (await storeKeys(lab)).filter(
        (key) => !/^(cluster|nodes|live|epochs|fence|engines|certificates|names\/node)\//.test(key),
      );
      return onHosts.length === 0 && inStore.length === 0;
    };
    await until(clean, { what: 'clean hosts and a clean etcd', deadline: 45_000, every: 500 });
    expect(await storeKeys(lab)).toEqual(expect.arrayContaining(['cluster/settings']));
  });
});
