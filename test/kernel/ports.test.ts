import { isDeepStrictEqual } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ConntrackSocket, holdPort, openNamespace } from 'netlink-ts';
import type { RouteSocket } from 'netlink-ts';
import { PortFlows } from '../../src/kernel/port-flows.ts';
import { hostPortMaps } from '../../src/kernel/port-maps.ts';
import type { Publication } from '../../src/model/objects.ts';
import { at, OUTSIDE, RoutingCluster, subnets } from './routing-cluster.ts';
import { inside } from '../support/host-namespaces.ts';
import { until } from '../support/until.ts';
import { probe } from '../support/who-am-i.ts';
import type { Probe } from '../support/who-am-i.ts';

const VNI = 0x120000;
const [PORT, HOST_PORT] = [8080, 18_080];
const both = (hostPort: number, port = PORT, address = ''): Publication[] =>
  (['tcp', 'udp'] as const).map((protocol) => ({ protocol, address, hostPort, port }));

let cluster: RoutingCluster;

beforeEach(() => {
  cluster = new RoutingCluster('ports');
  cluster.states.tenant('acme').tenant('beta');
  cluster.states.network('acme', 'web', { vni: VNI, subnets: subnets(10) });
  cluster.states.network('beta', 'web', { vni: VNI + 1, subnets: subnets(10) });
});

afterEach(() => cluster.close());

/** Nodes know both of their addresses. */
function start(count: number): void {
  cluster.start(count);
  for (let host = 1; host <= count; host++) {
    const addresses = [cluster.address(host, 'ipv4'), cluster.address(host, 'ipv6')];
    cluster.states.nodes.set(`host${host}`, { ...cluster.states.nodes.get(`host${host}`)!, addresses });
  }
}

function probes(addresses: readonly string[], port: number): Probe[] {
  return addresses.flatMap((to) => (['TCP', 'UDP'] as const).map((protocol) => ({ protocol, to, port })));
}

async function expectAnswers(path: string, asked: Probe[], expected: (string | null | RegExp)[]): Promise<void> {
  let answers: (string | null)[] = [];
  const fits = (answer: string | null, i: number) => {
    const want = expected[i];
    return want instanceof RegExp ? answer !== null && want.test(answer) : answer === want;
  };
  const fit = async () => (answers = await probe(path, asked)).every(fits);
  await until(fit, { what: 'the answers', deadline: 20_000 }).catch(() => undefined);
  const wrong = asked.flatMap((one, i) =>
    fits(answers[i] ?? null, i) ? [] : [`${one.protocol} to ${one.to}: ${answers[i]}, not ${String(expected[i])}`],
  );
  expect(wrong).toEqual([]);
}

const twice = <T>(...values: T[]): T[] => values.flatMap((value) => [value, value]);
const UPLINK4 = /^169\.254\./;
const UPLINK6 = /^fd/;

function repairs(host: number): Record<string, number> {
  return cluster.hosts[host - 1]!.loop.repairs().byKind;
}

describe('published ports', () => {
  it('lead to the container from everywhere, with the client’s address but where that cannot be', async () => {
    start(2);
    const host1 = [cluster.address(1, 'ipv4'), cluster.address(1, 'ipv6')];
    const host2 = [cluster.address(2, 'ipv4'), cluster.address(2, 'ipv6')];
    const a = cluster.endpoint('acme-web', 'a', at(1, 10, 10, both(HOST_PORT)));
    const near = cluster.endpoint('acme-web', 'n', at(1, 10, 11));
    const other = cluster.endpoint('beta-web', 'b', at(1, 10, 10));
    const far = cluster.endpoint('acme-web', 'f', at(2, 10, 20));
    await cluster.serve(a, PORT);
    await cluster.publish();
    const asked = probes(host1, HOST_PORT);
    await expectAnswers(cluster.outside, asked, twice<string>(OUTSIDE.ipv4, OUTSIDE.ipv6));
    await expectAnswers(cluster.hostPath(2), asked, twice(...host2));
    await expectAnswers(cluster.hostPath(1), asked, twice(...host1));
    await expectAnswers(cluster.hostPath(1), probes(['127.0.0.1', '::1'], HOST_PORT), [...twice(UPLINK4), null, null]);
    await expectAnswers(far, asked, twice(...host2));
    for (const path of [a, near, other]) await expectAnswers(path, asked, [...twice(UPLINK4), ...twice(UPLINK6)]);
    // only what is published
    await expectAnswers(cluster.outside, probes(host1, PORT), [null, null, null, null]);
    await expectAnswers(far, probes(host1, PORT), [null, null, null, null]);
    expect(cluster.hosts.map(({ loop }) => loop.repairs().byKind)).toEqual([{}, {}]);
  });

  it('are those of an address where one is named, also one port of two addresses and where the way out is off', async () => {
    start(1);
    cluster.states.egress('acme', { off: true });
    inside(cluster.hostPath(1), 'ip', 'address', 'add', '192.0.2.51/24', 'dev', 'eth0');
    const first = cluster.endpoint('acme-web', 'a', at(1, 10, 10, both(HOST_PORT, PORT, '192.0.2.1')));
    const second = cluster.endpoint('acme-web', 'b', at(1, 10, 11, both(HOST_PORT, PORT + 1, '192.0.2.51')));
    cluster.endpoint('beta-web', 'c', at(1, 10, 12, both(HOST_PORT + 1, PORT, '127.0.0.1')));
    await cluster.serve(first, PORT);
    await cluster.serve(second, PORT + 1);
    await cluster.serve(cluster.outside, PORT);
    await cluster.publish();
    await expectAnswers(
      cluster.outside,
      probes(['192.0.2.1', '192.0.2.51'], HOST_PORT),
      twice<string>(OUTSIDE.ipv4, OUTSIDE.ipv4),
    );
    await expectAnswers(cluster.outside, probes(['192.0.2.1'], HOST_PORT + 1), [null, null]);
    await expectAnswers(cluster.hostPath(1), probes(['127.0.0.1'], HOST_PORT), [null, null]);
    await expectAnswers(first, probes([OUTSIDE.ipv4, OUTSIDE.ipv6], PORT), [null, null, null, null]);
  });

  it('lead clients that have an address of the tenant’s own subnets by the uplink', async () => {
    cluster.states.tenant('gamma');
    const lan = [
      { cidr: '192.0.2.0/24', gateway: '192.0.2.1', reserved: [] },
      { cidr: '2001:db8::/64', gateway: '2001:db8::1', reserved: [] },
    ];
    cluster.states.network('gamma', 'lan', { vni: VNI + 2, subnets: lan });
    start(1);
    const ports = both(HOST_PORT);
    const g = cluster.endpoint('gamma-lan', 'g', { host: 1, addresses: ['192.0.2.77/24', '2001:db8::77/64'], ports });
    await cluster.serve(g, PORT);
    await cluster.publish();
    const asked = probes([cluster.address(1, 'ipv4'), cluster.address(1, 'ipv6')], HOST_PORT);
    const hidden = [...twice(UPLINK4), ...twice(UPLINK6)];
    await expectAnswers(cluster.outside, asked, hidden);
    await expectAnswers(cluster.hostPath(1), asked, hidden);
  });

  it('take connections along when they are given to another container, and let go when they end', async () => {
    start(1);
    const host = cluster.hostPath(1);
    const asked = probes([cluster.address(1, 'ipv4')], HOST_PORT);
    const a = cluster.endpoint('acme-web', 'a', at(1, 10, 10, both(HOST_PORT)));
    const b = cluster.endpoint('acme-web', 'b', at(1, 10, 11));
    for (const path of [a, b]) await cluster.serve(path, PORT);
    await cluster.publish();
    await expectAnswers(cluster.outside, asked, twice<string>(OUTSIDE.ipv4));
    const namespace = openNamespace(host);
    const conntrack = ConntrackSocket.open({ netns: namespace.fd });
    const inTenant = openNamespace(cluster.tenantPath(1, 'acme'));
    const tenantFlows = ConntrackSocket.open({ netns: inTenant.fd });
    const led = async (to: string) => (await tenantFlows.list({ reply: { source: to } })).length;
    const flows = async () => (await conntrack.list({ original: { protocol: 17, destinationPort: HOST_PORT } })).length;
    try {
      expect([(await led('10.10.0.10')) > 0, (await flows()) > 0]).toEqual([true, true]);
      for (const [id, ports] of [
        ['a', []],
        ['b', both(HOST_PORT)],
      ] as const) {
        cluster.states.endpoints.set(id, { ...cluster.states.endpoints.get(id)!, ports: [...ports] });
      }
      await cluster.publish();
      expect(await led('10.10.0.10')).toBe(0);
      await expectAnswers(cluster.outside, asked, twice<string>(OUTSIDE.ipv4));
      expect(await led('10.10.0.11')).toBeGreaterThan(0);
      cluster.states.endpoints.delete('b');
      await cluster.publish();
      expect([await led('10.10.0.11'), await flows()]).toEqual([0, 0]);
      await expectAnswers(cluster.outside, asked, [null, null]);
    } finally {
      conntrack.close();
      tenantFlows.close();
      namespace.close();
      inTenant.close();
    }
  });

  it('come back when their rules or the way are taken away by hand', async () => {
    start(1);
    const host = cluster.hostPath(1);
    const a = cluster.endpoint('acme-web', 'a', at(1, 10, 10, both(HOST_PORT)));
    await cluster.serve(a, PORT);
    await cluster.publish();
    const reached = async () => {
      const answers = await probe(cluster.outside, probes([cluster.address(1, 'ipv4')], HOST_PORT));
      const local = await probe(host, probes(['127.0.0.1'], HOST_PORT));
      return isDeepStrictEqual(answers, twice(OUTSIDE.ipv4)) && local.every((answer) => answer !== null);
    };
    await until(reached, { what: 'the port', deadline: 20_000 });
    const link = /(wu\w+)[@:]/.exec(inside(host, 'ip', '-o', 'link', 'show'))?.[1] ?? '';
    const faults: [kind: string, run: () => void][] = [
      ['guard', () => inside(host, 'nft', 'flush', 'ruleset')],
      ['guard', () => inside(cluster.tenantPath(1, 'acme'), 'nft', 'flush', 'ruleset')],
      ['guard-members', () => inside(host, 'nft', 'flush', 'map', 'inet', 'weft', 'any-ports4')],
      ['uplink', () => inside(host, 'sysctl', '-qw', `net.ipv4.conf.${link}.route_localnet=0`)],
    ];
    for (const [kind, run] of faults) {
      const before = repairs(1)[kind] ?? 0;
      run();
      cluster.hosts[0]!.loop.wake({ kind: 'all', reason: 'test' });
      await until(() => (repairs(1)[kind] ?? 0) > before, { what: `the repair of ${String(run)}`, deadline: 15_000 });
      await until(reached, { what: `the port after ${String(run)}`, deadline: 15_000 });
    }
  });

  it('are kept from others of the host, and say who has one that they cannot have', async () => {
    start(1);
    const host = cluster.hostPath(1);
    const { kernel, loop } = cluster.hosts[0]!;
    await cluster.serve(host, HOST_PORT);
    const place = (port: number, address = '0.0.0.0') => ({ protocol: 'tcp' as const, address, port });
    const refused = await kernel.ports.claim([place(HOST_PORT + 1), place(HOST_PORT)]);
    expect(refused).toMatchObject({ place: place(HOST_PORT) });
    await expect(kernel.ports.claim([place(1, '203.0.113.1')])).rejects.toThrow(/not an address of this host/);
    const claimed = await kernel.ports.claim([place(HOST_PORT + 1)]);
    cluster.endpoint('acme-web', 'a', at(1, 10, 10, both(HOST_PORT)));
    await cluster.publish();
    const taken = () => loop.conditions().filter(({ type }) => type === 'port-taken');
    expect(taken().map(({ object }) => object)).toContain(`0.0.0.0:${HOST_PORT}/tcp`);
    // the claim stands until it is settled, whatever is planned
    await expect(cluster.serve(host, HOST_PORT + 1)).rejects.toThrow();
    if ('settle' in claimed) claimed.settle();
    cluster.states.endpoints.clear();
    await cluster.publish();
    expect(taken()).toEqual([]);
    await cluster.serve(host, HOST_PORT + 1);
  });

  it('are claimed all or none, and not beside a datagram socket of others that would share', async () => {
    start(1);
    const host = cluster.hostPath(1);
    const { ports } = cluster.hosts[0]!.kernel;
    const place = (port: number, address = '0.0.0.0') => ({ protocol: 'udp' as const, address, port });
    const netns = openNamespace(host);
    const other = holdPort({ netns, ...place(HOST_PORT, '192.0.2.1'), reuse: true });
    try {
      expect(await ports.claim([place(1), place(HOST_PORT, '192.0.2.1')])).toMatchObject({
        place: { port: HOST_PORT },
      });
      await expect(ports.claim([place(2), place(3, '203.0.113.1')])).rejects.toThrow(/not an address of this host/);
      for (const port of [1, 2]) holdPort({ netns, ...place(port) }).close();
    } finally {
      other.close();
      netns.close();
    }
  });
});

it('a connection that could not be led along is with the next look, also where nothing changed since', async () => {
  const path = cluster.underlay.namespace('flows');
  inside(path, 'ip', 'link', 'set', 'lo', 'up');
  inside(path, 'nft', 'add table inet tracked; add chain inet tracked out { type filter hook output priority 0; }');
  inside(path, 'nft', 'add rule inet tracked out ct state new accept');
  inside(path, 'sh', '-c', `echo new | socat -u - UDP:127.0.0.1:${HOST_PORT}`);
  const end = (address: string, port: number) => ({ address, port });
  const ends = {
    host: end('0.0.0.0', HOST_PORT),
    transit: end('169.254.64.1', PORT),
    container: end('10.10.0.10', PORT),
  };
  const forward = { endpoint: 'a', tenant: 'acme', family: 4, protocol: 'udp', ...ends } as const;
  const after = { family: 'inet', name: 'weft', ...hostPortMaps([forward]) } as const;
  const namespace = openNamespace(path);
  const list = vi.fn().mockRejectedValueOnce(new Error('no addresses')).mockResolvedValue([]);
  const flows = new PortFlows({ namespace, rt: { addresses: { list } } as unknown as RouteSocket });
  const conntrack = ConntrackSocket.open({ netns: namespace.fd });
  try {
    await expect(flows.follow({ before: undefined, after })).rejects.toThrow('no addresses');
    expect(await conntrack.list({ original: { destinationPort: HOST_PORT } })).toHaveLength(1);
    await flows.follow({ before: after, after });
    expect(await conntrack.list({ original: { destinationPort: HOST_PORT } })).toEqual([]);
  } finally {
    conntrack.close();
    namespace.close();
  }
});
