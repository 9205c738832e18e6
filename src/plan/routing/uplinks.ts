/**
 * Which tenants have an uplink on this host, and by which addresses: those with a way out, and those whose containers publish
 * ports, since the answers go that way. Pure.
 */
import { formatCidr, overlaps, parseCidr } from '../../model/address/cidr.ts';
import type { Cidr } from '../../model/address/cidr.ts';
import type { ClusterSettings, ClusterState } from '../../model/cluster.ts';
import { linkNames } from '../../model/names.ts';
import type { Egress, Network, Tenant } from '../../model/objects.ts';
import { publishers } from '../ports/forwards.ts';
import { presentNetworks } from './presence.ts';
import { placeTransits } from './transit.ts';
import type { Transit } from './transit.ts';

export interface Uplink {
  tenant: Tenant;
  /** its end in the host's namespace */
  link: string;
  transit: Transit;
  /** networks of this host whose containers may leave, by name */
  networks: Network[];
  egress: Egress;
  /** ports of this host lead to its containers */
  publishes: boolean;
  /** IPv6 subnets that the host leads to the tenant, sorted; not those of a tenant that was there before */
  routed: string[];
}

/** By tenant id. */
export function uplinksOf(
  state: ClusterState,
  context: { node: string; settings: ClusterSettings },
): Map<string, Uplink> {
  const present = presentNetworks(state, context.node);
  const leaving = new Map<string, Network[]>();
  for (const network of state.networks.values()) {
    if (network.internal || !present.has(network.id)) continue;
    leaving.set(network.tenant, [...(leaving.get(network.tenant) ?? []), network]);
  }
  const publishing = new Set(publishers(state, context.node).map(({ tenant }) => tenant));
  const allowed = [...leaving].filter(
    ([id]) => state.tenants.has(id) && (!egressOf(state, id).off || publishing.has(id)),
  );
  const places = placeTransits(
    allowed.map(([id]) => id),
    context.settings.id,
  );
  const uplinks = new Map<string, Uplink>();
  const led: Cidr[] = [];
  for (const [id, networks] of allowed.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const [tenant, transit] = [state.tenants.get(id), places.get(id)];
    if (!tenant || !transit) continue;
    networks.sort((a, b) => (a.name < b.name ? -1 : 1));
    const egress = egressOf(state, id);
    const routed =
      egress.ipv6 === 'routed' && !egress.off
        ? ipv6Subnets(networks).filter((one) => !led.some((x) => overlaps(x, one)))
        : [];
    led.push(...routed);
    uplinks.set(id, {
      ...{ tenant, link: linkNames.uplink(id), transit, networks, egress, publishes: publishing.has(id) },
      routed: routed.map(formatCidr).sort(),
    });
  }
  return uplinks;
}

/** In which something may leave, or answer. */
export function familiesOut(uplinks: Iterable<Uplink>): { ipv4: boolean; ipv6: boolean } {
  const cidrs = [...uplinks].flatMap(({ networks }) =>
    networks.flatMap(({ subnets }) => subnets.map(({ cidr }) => cidr)),
  );
  return { ipv4: cidrs.some((cidr) => !cidr.includes(':')), ipv6: cidrs.some((cidr) => cidr.includes(':')) };
}

function ipv6Subnets(networks: readonly Network[]): Cidr[] {
  const subnets = networks.flatMap((network) => network.subnets.flatMap(({ cidr }) => parseCidr(cidr) ?? []));
  return subnets.filter(({ family }) => family === 6);
}

/** What is so where nobody said otherwise. */
export function egressOf(state: ClusterState, tenant: string): Egress {
  return state.egress.get(tenant) ?? { tenant, off: false, ipv6: 'nat', allow: [] };
}
