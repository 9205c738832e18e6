/** From the cluster's state to what the packet filters of this host have to let through. Pure. */
import type { ClusterSettings, ClusterState } from '../../model/cluster.ts';
import { linkNames } from '../../model/names.ts';
import { UPLINK } from '../objects.ts';
import { bordersOf } from './borders.ts';
import type { HostEgress, TenantOut, TenantRouting } from './intents.ts';
import { joined, presentNetworks } from './presence.ts';
import { TRANSIT4, transit6 } from './transit.ts';
import { uplinksOf } from './uplinks.ts';

export interface RoutingContext {
  node: string;
  settings: ClusterSettings;
}

/** Undefined: nothing is forwarded in the tenant's namespace. */
export function planTenantRouting(
  state: ClusterState,
  tenant: string,
  context: RoutingContext,
): TenantRouting | undefined {
  const out = planOut(state, tenant, context);
  const routed = routedPairs(state, tenant, context.node);
  return out || routed.length > 0 ? { routed, out } : undefined;
}

/** Undefined: no tenant has a way out of this host. */
export function planHostEgress(state: ClusterState, context: RoutingContext): HostEgress | undefined {
  const uplinks = [...uplinksOf(state, context).values()].map(({ link, egress }) => ({ link, allow: egress.allow }));
  if (uplinks.length === 0) return undefined;
  return {
    transit4: TRANSIT4,
    transit6: transit6(context.settings.id),
    borders: bordersOf(state, context.settings),
    underlay: state.nodes.get(context.node)?.interface,
    uplinks: uplinks.sort((a, b) => (a.link < b.link ? -1 : 1)),
  };
}

function planOut(state: ClusterState, tenant: string, context: RoutingContext): TenantOut | null {
  const uplink = uplinksOf(state, context).get(tenant);
  if (!uplink) return null;
  return {
    uplink: UPLINK,
    bridges: uplink.networks.map(({ vni }) => linkNames.bridge(vni)).sort(),
    nat6: uplink.egress.ipv6 === 'nat',
    borders: bordersOf(state, context.settings),
    allow: uplink.egress.allow,
  };
}

function routedPairs(state: ClusterState, tenant: string, node: string): [string, string][] {
  const present = presentNetworks(state, node);
  const pairs = new Map<string, [string, string]>();
  for (const router of state.routers.values()) {
    if (router.tenant !== tenant) continue;
    const bridges = joined(state, router)
      .filter(({ id }) => present.has(id))
      .map(({ vni }) => linkNames.bridge(vni));
    for (const from of bridges) {
      for (const to of bridges) if (from !== to) pairs.set(`${from} ${to}`, [from, to]);
    }
  }
  return [...pairs].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, pair]) => pair);
}
