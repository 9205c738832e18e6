import { isDeepStrictEqual } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { linkNames } from '../../src/model/names.ts';
import { at, OUTSIDE, RoutingCluster, subnets } from './routing-cluster.ts';
import { inside, succeeds } from '../support/host-namespaces.ts';
import { until } from '../support/until.ts';
import { everyWay, probe } from '../support/who-am-i.ts';
import type { Probe } from '../support/who-am-i.ts';

const VNI = 0x110000;
const PORT = 8080;

let cluster: RoutingCluster;

beforeEach(() => {
  cluster = new RoutingCluster('routing');
  cluster.states.tenant('acme').tenant('beta');
  cluster.states.network('acme', 'web', { vni: VNI, subnets: subnets(10) });
});

afterEach(() => cluster.close());

/** A moment later where addresses are new: the kernel first asks whether somebody has them (DAD). */
async function expectAnswers(path: string, probes: Probe[], expected: (string | null)[]): Promise<void> {
  let answers: (string | null)[] = [];
  const fit = async () => isDeepStrictEqual((answers = await probe(path, probes)), expected);
  await until(fit, { what: 'the answers', deadline: 20_000 }).catch(() => undefined);
  expect(answers).toEqual(expected);
}

/** What does not lead out with the host's address: ICMP, TCP and UDP of both families should. */
async function astray(path: string): Promise<string[]> {
  const probes = everyWay(OUTSIDE, PORT);
  const answers = await probe(path, probes);
  return probes.flatMap(({ protocol, to }, i) => {
    const expected = protocol === 'ICMP' ? 'answers' : cluster.address(1, to.includes(':') ? 'ipv6' : 'ipv4');
    return answers[i] === expected ? [] : [`${protocol} to ${to}: ${answers[i]}`];
  });
}

async function pings(path: string, to: string): Promise<boolean> {
  return (await probe(path, [{ protocol: 'ICMP', to }])).includes('answers');
}

function repairs(): Record<string, number> {
  return cluster.hosts[0]!.loop.repairs().byKind;
}

describe('the way out', () => {
  it('leads containers of tenants with the same addresses out by the address of their host', async () => {
    cluster.states.network('beta', 'web', { vni: VNI + 1, subnets: subnets(10) });
    cluster.start(1);
    const a = cluster.endpoint('acme-web', 'a', at(1, 10, 10));
    const b = cluster.endpoint('beta-web', 'b', at(1, 10, 10));
    await cluster.serve(cluster.outside, PORT);
    await cluster.publish();
    expect(await astray(a)).toEqual([]);
    expect(await astray(b)).toEqual([]);
    expect(repairs()).toEqual({});
    // what an audit hears of it
    expect(await cluster.hosts[0]!.loop.look()).toMatchObject({ drift: [], missingNamespaces: [], ownerlessLinks: [] });
  });

  it('reaches no host, no other tenant, no other network and no metadata, but what is allowed', async () => {
    cluster.states.network('acme', 'db', { vni: VNI + 1, subnets: subnets(20) });
    cluster.states.network('acme', 'in', { vni: VNI + 2, subnets: subnets(30), internal: true });
    cluster.states.network('beta', 'web', { vni: VNI + 3, subnets: subnets(10) });
    cluster.start(2);
    const a = cluster.endpoint('acme-web', 'a', at(1, 10, 10));
    const db = cluster.endpoint('acme-db', 'd', at(1, 20, 10));
    const internal = cluster.endpoint('acme-in', 'i', at(1, 30, 10));
    cluster.endpoint('beta-web', 'b', at(1, 10, 20));
    for (const host of [1, 2]) {
      const addresses = [cluster.address(host, 'ipv4'), cluster.address(host, 'ipv6')];
      cluster.states.nodes.set(`host${host}`, { ...cluster.states.nodes.get(`host${host}`)!, addresses });
    }
    // The underlay's own metadata service, and a way to it: what is guarded is not merely absent.
    for (const [metadata, via] of [
      ['169.254.169.254', OUTSIDE.ipv4],
      ['fd00:ec2::254', OUTSIDE.ipv6],
    ] as const) {
      inside(cluster.outside, 'ip', 'address', 'add', metadata, 'dev', 'lo');
      inside(cluster.hostPath(1), 'ip', 'route', 'add', metadata, 'via', via);
    }
    for (const path of [cluster.outside, cluster.hostPath(1), cluster.hostPath(2), db]) {
      await cluster.serve(path, PORT);
    }
    await cluster.publish();
    inside(internal, 'ip', 'route', 'add', 'default', 'via', '10.30.0.1', 'onlink', 'dev', 'eth0');
    const transit = inside(cluster.hostPath(1), 'ip', '-o', 'address', 'show')
      .split('\n')
      .flatMap((line) => /wu\w+ .*inet6? (169\.254\S+|fd\S+)\//.exec(line)?.[1] ?? []);
    expect(transit).toHaveLength(4);
    const hosts = ['192.0.2.1', '192.0.2.2', '2001:db8::1', '2001:db8::2'];
    const guarded = [...hosts, '169.254.169.254', 'fd00:ec2::254', ...transit, '10.20.0.10', 'fd00:20::10'];
    const reached = async (protocol: 'TCP' | 'UDP') => {
      const answers = await probe(
        a,
        guarded.map((to) => ({ protocol, to, port: PORT })),
      );
      return guarded.filter((_, i) => answers[i] !== null);
    };
    expect([await reached('TCP'), await reached('UDP')]).toEqual([[], []]);
    expect([await pings(internal, OUTSIDE.ipv4), await pings(internal, '10.10.0.10')]).toEqual([false, false]);
    expect(await astray(a)).toEqual([]);

    const service = { protocol: 'tcp', port: PORT } as const;
    const daemons = ['192.0.2.1/32', '192.0.2.2/32', '2001:db8::2/128'].map((cidr) => ({ cidr, service }));
    const allow = [...daemons, { cidr: '169.254.169.0/24' }, { cidr: 'fd00:ec2::254/128' }];
    cluster.states.egress('acme', { allow });
    await cluster.publish();
    const allowed = ['192.0.2.1', '192.0.2.2', '2001:db8::2', '169.254.169.254', 'fd00:ec2::254'];
    expect(await reached('TCP')).toEqual(allowed);
    // The services are of TCP; the server behind the metadata's addresses answers datagrams from its first ones.
    expect(await reached('UDP')).toEqual([]);

    cluster.states.egress('acme', { off: true });
    await cluster.publish();
    expect(await pings(a, OUTSIDE.ipv4)).toBe(false);
    expect(inside(cluster.tenantPath(1, 'acme'), 'ip', 'route', 'show', 'default')).toBe('');
    expect(succeeds(cluster.hostPath(1), 'ip', 'link', 'show', linkNames.uplink('acme'))).toBe(false);
  });

  it('does not lead to the networks of other engines on its host, whose forward chains let it pass', async () => {
    cluster.start(1);
    const host = cluster.hostPath(1);
    cluster.states.nodes.set('host1', { ...cluster.states.nodes.get('host1')!, interface: 'eth0' });
    const other = cluster.underlay.namespace('other');
    inside(host, 'ip', 'link', 'add', 'docker0', 'type', 'bridge');
    inside(host, 'ip', 'link', 'add', 'veth1', 'master', 'docker0', 'type', 'veth', 'peer', 'eth0', 'netns', other);
    for (const link of ['docker0', 'veth1']) inside(host, 'ip', 'link', 'set', link, 'up');
    inside(host, 'ip', 'address', 'add', '172.17.0.1/16', 'dev', 'docker0');
    inside(other, 'ip', 'link', 'set', 'eth0', 'up');
    inside(other, 'ip', 'address', 'add', '172.17.0.2/16', 'dev', 'eth0');
    inside(other, 'ip', 'route', 'add', 'default', 'via', '172.17.0.1');
    inside(host, 'iptables', '-P', 'FORWARD', 'DROP');
    const a = cluster.endpoint('acme-web', 'a', at(1, 10, 10));
    for (const path of [cluster.outside, other]) await cluster.serve(path, PORT);
    await cluster.publish();
    const to = { ipv4: '172.17.0.2', ipv6: OUTSIDE.ipv6 };
    expect((await probe(a, everyWay(to, PORT))).slice(0, 3)).toEqual([null, null, null]);
    expect(await astray(a)).toEqual([]);
    expect((await probe(other, everyWay(addressesOf(10, 10), PORT))).slice(0, 3)).toEqual([null, null, null]);
    cluster.states.egress('acme', { allow: [{ cidr: '172.17.0.2/32' }] });
    await cluster.publish();
    await expectAnswers(a, [{ protocol: 'TCP', to: '172.17.0.2', port: PORT }], ['172.17.0.1']);
  });

  it('leads IPv6 out with the containers’ own addresses where it is routed, and lets nothing in that was not asked for', async () => {
    cluster.states.egress('acme', { ipv6: 'routed' });
    cluster.start(1);
    const a = cluster.endpoint('acme-web', 'a', at(1, 10, 10));
    inside(cluster.outside, 'ip', 'route', 'add', 'fd00:10::/64', 'via', '2001:db8::1');
    for (const path of [cluster.outside, a]) await cluster.serve(path, PORT);
    await cluster.publish();
    await expectAnswers(a, everyWay(OUTSIDE, PORT), everyAnswer({ ipv4: '192.0.2.1', ipv6: 'fd00:10::10' }));
    expect(new Set(await probe(cluster.outside, everyWay(addressesOf(10, 10), PORT)))).toEqual(new Set([null]));
    inside(cluster.hostPath(1), 'ip', '-6', 'route', 'delete', 'fd00:10::/64');
    await until(() => (repairs().uplink ?? 0) > 0, { what: 'the repair of the route to the tenant' });
  });

  it('comes back when it is taken away by hand, and is counted', async () => {
    cluster.start(1);
    const a = cluster.endpoint('acme-web', 'a', at(1, 10, 10));
    await cluster.serve(cluster.outside, PORT);
    await cluster.publish();
    const [host, tenant, link] = [cluster.hostPath(1), cluster.tenantPath(1, 'acme'), linkNames.uplink('acme')];
    const faults: [kind: string, run: () => void][] = [
      ['uplink', () => inside(host, 'ip', 'link', 'delete', link)],
      ['uplink', () => inside(host, 'ip', 'link', 'set', link, 'down')],
      ['uplink', () => inside(host, 'ip', 'address', 'flush', 'dev', link)],
      ['uplink', () => inside(host, 'ip', '-4', 'route', 'flush', 'dev', link)],
      ['uplink', () => inside(host, 'ip', '-6', 'route', 'flush', 'dev', link)],
      ['route', () => inside(tenant, 'ip', 'route', 'delete', 'default')],
      ['address', () => inside(tenant, 'ip', '-6', 'address', 'flush', 'dev', 'up0')],
      ['address', () => inside(tenant, 'ip', '-4', 'route', 'flush', 'dev', 'up0')],
      ['address', () => inside(tenant, 'ip', '-6', 'route', 'flush', 'dev', 'up0')],
      ['address', () => inside(tenant, 'ip', '-4', 'route', 'flush', 'dev', linkNames.bridge(VNI))],
      ['address', () => inside(tenant, 'ip', '-6', 'route', 'flush', 'dev', linkNames.bridge(VNI))],
      ['sysctl', () => inside(tenant, 'sysctl', '-qw', 'net.ipv4.ip_forward=0')],
      ['guard', () => inside(host, 'nft', 'flush', 'ruleset')],
      ['guard', () => inside(tenant, 'nft', 'flush', 'ruleset')],
    ];
    for (const [kind, run] of faults) {
      const before = repairs()[kind] ?? 0;
      run();
      await until(() => (repairs()[kind] ?? 0) > before, { what: `the repair of ${String(run)}`, deadline: 15_000 });
      await until(async () => (await astray(a)).length === 0, {
        what: `the way out after ${String(run)}`,
        deadline: 15_000,
      });
    }
  });
});

describe('routers', () => {
  it('join networks across hosts in both directions, with the containers’ own addresses, and nothing else', async () => {
    cluster.states
      .network('acme', 'db', { vni: VNI + 1, subnets: subnets(20), mtu: 1400 })
      .network('acme', 'log', { vni: VNI + 2, subnets: subnets(30) })
      .router('acme', 'core', ['acme-web', 'acme-db']);
    cluster.start(2);
    const a = cluster.endpoint('acme-web', 'a', at(1, 10, 10));
    const near = cluster.endpoint('acme-db', 'n', at(1, 20, 10));
    const far = cluster.endpoint('acme-db', 'f', at(2, 20, 20));
    const log = cluster.endpoint('acme-log', 'l', at(2, 30, 10));
    for (const path of [a, near, far, log]) await cluster.serve(path, PORT);
    await cluster.publish();
    const [web, db] = [addressesOf(10, 10), addressesOf(20, 20)];
    await expectAnswers(a, everyWay(db, PORT), everyAnswer(web));
    await expectAnswers(far, everyWay(web, PORT), everyAnswer(db));
    await expectAnswers(a, everyWay(addressesOf(20, 10), PORT), everyAnswer(web));
    for (const path of [a, far]) {
      expect(new Set(await probe(path, everyWay(addressesOf(30, 10), PORT)))).toEqual(new Set([null]));
    }
    const ping = (...words: string[]) => inside(a, 'sh', '-c', `ping -n -c1 -W2 ${words.join(' ')} || true`);
    expect(ping('-t1', db.ipv4)).toContain('From 10.10.0.1 icmp_seq=1 Time to live exceeded');
    expect(ping('-t1', db.ipv6)).toContain('From fd00:10::1 icmp_seq=1 Time exceeded: Hop limit');
    // One router on the way: the sender's own host hands packets straight to the other.
    for (const to of [db.ipv4, db.ipv6]) expect(ping('-t2', to)).toContain('1 received');
    const gatewayOf = (path: string) => inside(path, 'ip', 'neigh', 'show', '10.20.0.1').match(/lladdr (\S+)/)?.[1];
    expect(gatewayOf(near)).toMatch(/^02:/);
    expect(gatewayOf(far)).toBe(gatewayOf(near));
    expect(ping('-Mdo', '-s1400', db.ipv4)).toContain('From 10.10.0.1 icmp_seq=1 Frag needed and DF set (mtu = 1400)');
    expect(ping('-Mdo', '-s1400', db.ipv6)).toContain('From fd00:10::1 icmp_seq=1 Packet too big: mtu=1400');

    cluster.states.routers.clear();
    await cluster.publish();
    expect(new Set(await probe(a, everyWay(db, PORT)))).toEqual(new Set([null]));
    expect(cluster.hosts.map(({ loop }) => loop.repairs().byKind)).toEqual([{}, {}]);
  });
});

function addressesOf(n: number, last: number): { ipv4: string; ipv6: string } {
  return { ipv4: `10.${n}.0.${last}`, ipv6: `fd00:${n}::${last}` };
}

/** What everyWay gets where the client is seen with these addresses. */
function everyAnswer({ ipv4, ipv6 }: { ipv4: string; ipv6: string }): string[] {
  return [ipv4, ipv4, 'answers', ipv6, ipv6, 'answers'];
}
