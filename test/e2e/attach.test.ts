/** Endpoints by hand, over an IPv6 underlay of small MTU, with an etcd of three members outside weftd. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EndpointView, NetworkView, NodeView, StatusView } from '../../src/control/port.ts';
import { labUp } from '../../src/lab/lab.ts';
import type { Lab, LabHost } from '../../src/lab/lab.ts';
import { json, leftovers, run } from '../support/docker.ts';
import { until } from '../support/until.ts';
import { VxlanCapture } from '../support/vxlan-capture.ts';

/** 1400 less 70 bytes of VXLAN over IPv6. */
const MTU = 1330;

let lab: Lab;

beforeAll(async () => {
  lab = await labUp({
    name: `attach-${process.pid}`,
    hosts: 3,
    engine: 'none',
    etcd: 3,
    underlay: 'ipv6',
    underlayMtu: 1400,
  });
  await run(lab.host(1), 'weft', 'tenant', 'create', 'acme');
});

afterAll(async () => {
  await lab.down();
});

/** As every host sees it: an attach does not wait for etcd, the endpoint is there a moment later. */
async function attach(host: LabHost, network: string, name: string, ...more: string[]): Promise<EndpointView> {
  await run(host, 'ip', 'netns', 'add', name);
  const asked = [network, '--netns', `/run/netns/${name}`, '--name', name, ...more];
  const { id } = await json<EndpointView>(host, 'weft', 'endpoint', 'attach', ...asked);
  const inspect = () => json<EndpointView>(host, 'weft', 'endpoint', 'inspect', id);
  await until(async () => (await inspect()).published, { what: 'the endpoint to be in etcd' });
  return await inspect();
}

async function ping(host: LabHost, from: string, to: string, ...options: string[]): Promise<boolean> {
  const command = ['nsenter', `--net=/run/netns/${from}`, 'ping', '-c', '1', '-W', '2', ...options, to];
  return (await host.exec(command)).exitCode === 0;
}

const plain = (cidr: string | undefined) => (cidr ?? '').split('/')[0] ?? '';

describe('endpoint attach', () => {
  it('serves an IPv6-only network across hosts', async () => {
    await run(lab.host(1), 'weft', 'network', 'create', 'acme/six', '--subnet', 'fd00:6::/64');
    const [a, b] = [await attach(lab.host(1), 'acme/six', 'a'), await attach(lab.host(2), 'acme/six', 'b')];
    expect(a).toMatchObject({
      tenant: 'acme',
      network: 'six',
      node: 'host1',
      mtu: MTU,
      state: 'ready',
      published: true,
    });
    expect(a.engine).toEqual({ type: 'manual', networkId: '', endpointId: '', container: null });
    expect(a.addresses).toHaveLength(1);
    const capture = await VxlanCapture.start(['nsenter', '-t', String(lab.switchPid), '-n'], 14789);
    expect(await ping(lab.host(1), 'a', plain(b.addresses[0]))).toBe(true);
    expect(await ping(lab.host(2), 'b', plain(a.addresses[0]), '-M', 'do', '-s', String(MTU - 48))).toBe(true);
    expect(await ping(lab.host(2), 'b', plain(a.addresses[0]), '-M', 'do', '-s', String(MTU - 47))).toBe(false);
    await capture.stop();
    expect(capture.frames.length).toBeGreaterThan(3);
    expect(capture.flooded()).toEqual([]);
  });

  it('chooses a subnet where none is named, and answers every question about it from every host', async () => {
    const made = await json<NetworkView>(lab.host(2), 'weft', 'network', 'create', 'acme/web', '--mtu', '1300');
    expect(made).toMatchObject({ mtu: 1300, internal: false, endpoints: 0 });
    const c = await attach(lab.host(3), 'acme/web', 'c', '--label', 'app=db');
    const d = await attach(lab.host(1), 'acme/web', 'd', '--ip', '10.128.0.77');
    expect(d.addresses).toEqual(['10.128.0.77/20']);
    await until(() => ping(lab.host(3), 'c', '10.128.0.77'), { what: 'c reaches d', deadline: 5_000 });
    expect(await json<EndpointView>(lab.host(2), 'weft', 'endpoint', 'inspect', 'acme/web/c')).toEqual(c);
    expect(await json<EndpointView[]>(lab.host(2), 'weft', 'endpoint', 'ls', '-t', 'acme', '--node', 'host3')).toEqual([
      c,
    ]);
    const nodes = await json<NodeView[]>(lab.host(1), 'weft', 'node', 'ls');
    expect(nodes.map(({ name, live, underlayMtu }) => [name, live, underlayMtu])).toEqual(
      [1, 2, 3].map((n) => [`host${n}`, true, 1400]),
    );
    expect(await json<NetworkView>(lab.host(3), 'weft', 'network', 'inspect', 'acme/web')).toMatchObject({
      endpoints: 2,
    });
  });

  it('fails with a code, an exit status and a next step, and leaves nothing half done', async () => {
    const failures: [string[], number, string][] = [
      [['network', 'create', 'acme/big', '--mtu', '9000'], 4, 'mtu-too-large'],
      [['network', 'create', 'acme/web'], 4, 'name-taken'],
      [['network', 'create', 'acme/x', '--subnet', 'fd00:6::/96'], 4, 'subnet-overlap'],
      [['network', 'create', 'acme/x', '--subnet', '10.1.2.3/24'], 2, 'invalid-argument'],
      [['network', 'inspect', 'acme/nothing'], 3, 'network-not-found'],
      [['endpoint', 'attach', 'acme/web', '--netns', '/run/netns/gone'], 1, 'sandbox-gone'],
      [['endpoint', 'attach', 'acme/web', '--netns', '/run/netns/c', '--ip', '10.128.0.77'], 4, 'address-taken'],
      [['network', 'delete', 'acme/web'], 4, 'network-in-use'],
      [['tenant', 'delete', 'acme'], 4, 'tenant-in-use'],
    ];
    for (const [words, exitCode, code] of failures) {
      const result = await lab.host(1).exec(['weft', ...words, '-o', 'json']);
      expect([words, result.exitCode, result.stdout]).toEqual([words, exitCode, '']);
      expect(JSON.parse(result.stderr)).toMatchObject({ code, next: expect.stringMatching(/./) as string });
    }
    expect(await json<EndpointView[]>(lab.host(1), 'weft', 'endpoint', 'ls', '-A')).toHaveLength(4);
  });

  it('goes on carrying traffic while etcd is frozen, and says that the store is away', async () => {
    for (const n of [1, 2, 3]) await lab.host(n).freeze('etcd');
    await until(async () => (await json<StatusView>(lab.host(1), 'weft', 'status')).store.state === 'away', {
      what: 'the status says away',
      deadline: 10_000,
    });
    expect(await ping(lab.host(3), 'c', '10.128.0.77')).toBe(true);
    const refused = await lab.host(1).exec(['weft', 'tenant', 'create', 'late']);
    expect([refused.exitCode, refused.stderr]).toEqual([6, expect.stringContaining('error store-away')]);
    for (const n of [1, 2, 3]) await lab.host(n).thaw('etcd');
    await until(async () => (await lab.host(1).exec(['weft', 'tenant', 'create', 'late'])).exitCode !== 6, {
      what: 'the store is back',
      deadline: 20_000,
    });
  });

  it('leaves nothing behind when all is detached and deleted', async () => {
    for (const [n, name] of [
      [1, 'six/a'],
      [2, 'six/b'],
      [3, 'web/c'],
      [1, 'web/d'],
    ] as const) {
      await run(lab.host(n), 'weft', 'endpoint', 'detach', `acme/${name}`);
      const sandbox = name.split('/')[1] ?? '';
      expect(await run(lab.host(n), 'nsenter', `--net=/run/netns/${sandbox}`, 'ip', '-br', 'link')).not.toContain(
        'eth0',
      );
    }
    for (const name of ['six', 'web']) await run(lab.host(1), 'weft', 'network', 'delete', `acme/${name}`);
    await run(lab.host(1), 'weft', 'tenant', 'delete', 'acme');
    await until(async () => (await Promise.all(lab.hosts.map(leftovers))).flat().length === 0, {
      what: 'clean hosts',
      deadline: 45_000,
    });
  });
});
