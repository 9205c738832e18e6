import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EgressPin } from '../../src/model/objects.ts';
import { inside, succeeds } from '../support/host-namespaces.ts';
import { until } from '../support/until.ts';
import { everyWay, probe } from '../support/who-am-i.ts';
import { at, OUTSIDE, RoutingCluster, subnets } from './routing-cluster.ts';

const VNI = 0x120000;
const PORT = 8080;
const PINNED = { ipv4: '192.0.2.50', ipv6: '2001:db8::50' } as const;
const PIN: EgressPin = { nodes: ['host1', 'host2'], addresses: Object.values(PINNED), vni: VNI + 9 };

let cluster: RoutingCluster;
let one: string;
let three: string;

/** Containers on host1 and host3, which has no part in leading; nothing of the tenant's own on host2. */
beforeEach(async () => {
  cluster = new RoutingCluster('pinned');
  cluster.states.tenant('acme').network('acme', 'web', { vni: VNI, subnets: subnets(10) });
  cluster.start(3);
  for (const [name, node] of cluster.states.nodes) cluster.states.nodes.set(name, { ...node, interface: 'eth0' });
  one = cluster.endpoint('acme-web', 'a', at(1, 10, 10));
  three = cluster.endpoint('acme-web', 'c', at(3, 10, 30));
  await cluster.serve(cluster.outside, PORT);
});

afterEach(() => cluster.close());

/** Where a container is seen with another address than the one expected. */
async function astray(path: string, seen: { ipv4: string; ipv6: string }): Promise<string[]> {
  const probes = everyWay(OUTSIDE, PORT);
  const answers = await probe(path, probes);
  return probes.flatMap(({ protocol, to }, i) => {
    const expected = protocol === 'ICMP' ? 'answers' : seen[to.includes(':') ? 'ipv6' : 'ipv4'];
    return answers[i] === expected ? [] : [`${protocol} to ${to}: ${answers[i]}`];
  });
}

async function leave(path: string, seen: { ipv4: string; ipv6: string }): Promise<void> {
  let wrong: string[] = [];
  const right = async () => (wrong = await astray(path, seen)).length === 0;
  await until(right, { what: 'the way out', deadline: 20_000 }).catch(() => undefined);
  expect(wrong).toEqual([]);
}

const own = (host: number) => ({ ipv4: cluster.address(host, 'ipv4'), ipv6: cluster.address(host, 'ipv6') });

function holders(): string[] {
  return cluster.hosts.flatMap(({ host }) => {
    const shown = inside(host.path, 'ip', '-o', 'address', 'show');
    return Object.values(PINNED).flatMap((address) =>
      shown.includes(` ${address}/`) ? [`${host.name} ${address}`] : [],
    );
  });
}

describe('pinned egress', () => {
  it('leads containers of all hosts out by one address, and follows its leader', async () => {
    await cluster.publish();
    await leave(one, own(1));
    await leave(three, own(3));

    cluster.states.egress('acme', { pin: PIN }).leader('acme', 'host1');
    await cluster.publish();
    for (const path of [one, three]) await leave(path, PINNED);
    expect(holders()).toEqual([`host1 ${PINNED.ipv4}`, `host1 ${PINNED.ipv6}`]);
    expect(await probe(three, [{ protocol: 'TCP', to: '192.0.2.2', port: PORT }])).toEqual([null]);

    cluster.states.leader('acme', 'host2');
    await cluster.publish();
    for (const path of [one, three]) await leave(path, PINNED);
    expect(holders()).toEqual([`host2 ${PINNED.ipv4}`, `host2 ${PINNED.ipv6}`]);

    cluster.states.egressHolders.clear();
    await cluster.publish();
    expect(holders()).toEqual([]);
    for (const path of [one, three])
      expect(new Set(await probe(path, everyWay(OUTSIDE, PORT)))).toEqual(new Set([null]));

    cluster.states.egress('acme', {});
    await cluster.publish();
    await leave(one, own(1));
    await leave(three, own(3));
    expect(succeeds(cluster.tenantPath(3, 'acme'), 'ip', 'link', 'show', `wt${PIN.vni}`)).toBe(false);
    expect(inside(cluster.tenantPath(3, 'acme'), 'ip', 'rule')).not.toContain('fwmark');
    expect(cluster.hosts.map(({ loop }) => loop.repairs().byKind)).toEqual([{}, {}, {}]);
  });

  it('takes nothing at the pinned address that is no answer', async () => {
    cluster.states.egress('acme', { pin: PIN }).leader('acme', 'host1');
    await cluster.serve(cluster.hostPath(1), PORT);
    await cluster.publish();
    await leave(three, PINNED);
    expect(new Set(await probe(cluster.outside, everyWay(PINNED, PORT)))).toEqual(new Set([null]));
    expect(await probe(cluster.outside, [{ protocol: 'TCP', to: '192.0.2.1', port: PORT }])).toEqual([OUTSIDE.ipv4]);
  });

  it('goes from a host whose daemon stands still, and is put back where it was taken away', async () => {
    cluster.states.egress('acme', { pin: PIN }).leader('acme', 'host1');
    await cluster.publish();
    await leave(three, PINNED);
    await cluster.settled();
    const { loop, host } = cluster.hosts[0]!;
    inside(host.path, 'ip', 'address', 'delete', `${PINNED.ipv4}/32`, 'dev', 'eth0');
    await until(() => (loop.repairs().byKind['pinned-address'] ?? 0) > 0, { what: 'the repair', deadline: 5_000 });
    await leave(three, PINNED);

    cluster.leads = 6_000;
    loop.wake({ kind: 'host', reason: 'test' });
    const short = () => /valid_lft [1-4]sec/.test(inside(host.path, 'ip', 'address', 'show', 'dev', 'eth0'));
    await until(short, { what: 'a lifetime that ends before the lease' });
    // Nobody wakes the loop: the kernel does it.
    await until(() => holders().length === 0, { what: 'the end of the lifetime', deadline: 15_000 });
  });

  it('leaves the family alone that has no pinned address', async () => {
    cluster.states.egress('acme', { pin: { ...PIN, addresses: [PINNED.ipv4] } }).leader('acme', 'host2');
    await cluster.publish();
    await leave(three, { ipv4: PINNED.ipv4, ipv6: own(3).ipv6 });
  });
});
