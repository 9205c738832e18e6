/** The kernel objects of a tenant's uplink: a pair of links, its addresses, and default routes to the host. Pure. */
import { ALIAS_PREFIX, UPLINK } from '../objects.ts';
import type { KernelObject } from '../objects.ts';
import type { Uplink } from './uplinks.ts';

/** The kernel asks for a neighbour from these where a packet's own source is none of the link's. */
const LINK_LOCAL = { host: 'fe80::1/64', tenant: 'fe80::2/64' };

/** `mtu`: of the host's underlay, so that what comes from outside is cut nowhere but at the tenant's own bridge. */
export function uplinkObjects({ tenant, link, transit, routed, publishes }: Uplink, mtu: number): KernelObject[] {
  const alias = `${ALIAS_PREFIX}uplink:${tenant.id}`;
  const { host } = transit;
  return [
    {
      kind: 'uplink',
      name: UPLINK,
      alias,
      mtu,
      up: true,
      end: {
        ...{ name: link, alias, up: true, mtu, addresses: [`${host.ipv4}/31`, `${host.ipv6}/127`, LINK_LOCAL.host] },
        localnet: publishes,
        routes: routed.map((destination) => ({ destination, gateway: transit.tenant.ipv6 })),
      },
    },
    { kind: 'address', link: UPLINK, cidr: `${transit.tenant.ipv4}/31` },
    { kind: 'address', link: UPLINK, cidr: `${transit.tenant.ipv6}/127` },
    { kind: 'address', link: UPLINK, cidr: LINK_LOCAL.tenant },
    { kind: 'route', link: UPLINK, destination: '0.0.0.0/0', gateway: host.ipv4 },
    { kind: 'route', link: UPLINK, destination: '::/0', gateway: host.ipv6 },
  ];
}
