/** A network that gets more subnets while containers run on it: two hosts with the loop on a real kernel, no daemon. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { inside, succeeds } from '../support/host-namespaces.ts';
import { until } from '../support/until.ts';
import { RoutingCluster } from './routing-cluster.ts';

let cluster: RoutingCluster;
beforeEach(() => {
  cluster = new RoutingCluster('growth');
});
afterEach(() => cluster.close());

const ping = (from: string, to: string) => succeeds(from, 'ping', '-c', '1', '-W', '2', to);

function network(options: { internal?: boolean }, ...cidrs: string[]): void {
  const subnets = cidrs.map((cidr) => ({ cidr, gateway: cidr.replace(/0?\/.*/, '1'), reserved: [] }));
  cluster.states.network('acme', 'web', { vni: 0x100000, subnets, ...options });
}

it.each([{ internal: false }, { internal: true }])(
  'containers that run and those of the new subnet reach each other on both hosts (%o)',
  async (options) => {
    cluster.states.tenant('acme');
    cluster.start(2);
    network(options, '10.10.0.0/24', 'fd00:1::/112');
    const place = (id: string, host: number, ...addresses: string[]) =>
      cluster.endpoint('acme-web', id, { host, addresses });
    const old = [place('a', 1, '10.10.0.10/24', 'fd00:1::10/112'), place('b', 2, '10.10.0.20/24')];
    await cluster.publish();
    const routes = (path: string) => inside(path, 'ip', 'route') + inside(path, 'ip', '-6', 'route');
    expect(routes(old[0]!)).not.toContain('10.11');
    network(options, '10.10.0.0/24', 'fd00:1::/112', '10.11.0.0/24', 'fd00:2::1:0/112');
    const added = [place('c', 1, '10.11.0.30/24'), place('d', 2, '10.11.0.40/24', 'fd00:2::1:40/112')];
    await cluster.publish();
    await until(() => old.every((path) => routes(path).includes('10.11.0.0/24 dev eth0')), {
      what: 'the routes to the new subnet in containers that ran before',
    });
    await until(() => routes(old[0]!).includes('fd00:2::1:0/112 dev eth0'), { what: 'the IPv6 route' });
    expect(routes(old[1]!)).not.toContain('fd00:2::1:0/112');
    expect(routes(added[0]!)).toContain('10.10.0.0/24 dev eth0');
    const all = ['10.10.0.10', '10.10.0.20', '10.11.0.30', '10.11.0.40'];
    for (const path of [...old, ...added]) for (const to of all) expect(ping(path, to), `${path} to ${to}`).toBe(true);
    expect(ping(old[0]!, 'fd00:2::1:40')).toBe(true);
    const gateway = (to: string) => ping(added[0]!, to);
    expect([gateway('10.11.0.1'), gateway('10.10.0.1')]).toEqual([!options.internal, !options.internal]);
  },
);
