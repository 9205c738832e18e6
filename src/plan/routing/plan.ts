/** From the cluster's state to what the packet filters of this host have to let through. Pure. */
import type { ClusterSettings, ClusterState } from '../../model/cluster.ts';
import { linkNames } from '../../model/names.ts';
import { UPLINK } from '../objects.ts';
import type { HostPorts } from '../ports/intent.ts';
import type { HostEgress, HostUplink, TenantOut, TenantRouting } from './intents.ts';
import { routingOf } from './picture.ts';
import type { RoutingPicture } from './picture.ts';
import { ledBy, pinnedOf } from './pinned.ts';
import { joined, presentNetworks } from './presence.ts';
import { TRANSIT4, transit6 } from './transit.ts';
import type { Uplink } from './uplinks.ts';

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
  const routing = routingOf(state, context);
  if (routing.uplinks.size === 0) return undefined;
  const uplinks = [...routing.uplinks.values()].map((uplink) => hostUplink(state, context.node, uplink));
  const ports = planHostPorts(state, routing);
  return {
    transit4: TRANSIT4,
    transit6: transit6(context.settings.id),
    borders: routing.borders,
    underlay: state.nodes.get(context.node)?.interface,
    uplinks: uplinks.sort((a, b) => (a.link < b.link ? -1 : 1)),
    ...(ports ? { ports } : {}),
  };
}

/** A client with an address of the tenant's own would be answered inside of its networks, where it is not. */
function planHostPorts(
  state: ClusterState,
  { uplinks, forwards }: Pick<RoutingPicture, 'uplinks' | 'forwards'>,
): HostPorts | undefined {
  if (forwards.length === 0) return undefined;
  const tenants = new Set(forwards.map(({ tenant }) => tenant));
  const hidden = [...uplinks]
    .filter(([id]) => tenants.has(id))
    .map(([id, { link }]) => ({
      link,
      ranges: [...state.networks.values()]
        .filter(({ tenant }) => tenant === id)
        .flatMap(({ subnets }) => subnets.map(({ cidr }) => cidr))
        .sort(),
    }));
  return { forwards: [...forwards], hidden: hidden.sort((a, b) => (a.link < b.link ? -1 : 1)) };
}

function hostUplink(state: ClusterState, node: string, { tenant, link, egress, transit }: Uplink): HostUplink {
  const shared = { link, closed: egress.off, allow: egress.allow };
  const pinned = pinnedOf(state, tenant.id);
  if (pinned?.leader?.id !== node) return shared;
  const { ipv4, ipv6 } = transit.tenant;
  const translations = pinned.pin.addresses.map((to) => ({ from: to.includes(':') ? ipv6 : ipv4, to }));
  return { ...shared, pinned: translations };
}

/** Addresses that the world knows tenants by and that this node has to have now; sorted. */
export function planPinnedAddresses(state: ClusterState, context: RoutingContext): string[] {
  const led = ledBy(state, context.node);
  if (led.length === 0) return [];
  const { uplinks } = routingOf(state, context);
  return led
    .filter((tenant) => uplinks.has(tenant))
    .flatMap((tenant) => pinnedOf(state, tenant)?.pin.addresses ?? [])
    .sort();
}

function planOut(state: ClusterState, tenant: string, context: RoutingContext): TenantOut | null {
  const routing = routingOf(state, context);
  const uplink = routing.uplinks.get(tenant);
  if (!uplink) return null;
  const ports = routing.forwards.filter((one) => one.tenant === tenant);
  const pinned = pinnedOf(state, tenant);
  const link = pinned && linkNames.relay(pinned.pin.vni);
  const leads = pinned?.leader?.id === context.node;
  const inside = uplink.networks.map(({ vni }) => linkNames.bridge(vni));
  return {
    uplink: UPLINK,
    closed: uplink.egress.off,
    bridges: [...inside, ...(link !== undefined && leads ? [link] : [])].sort(),
    nat6: uplink.egress.ipv6 === 'nat',
    borders: routing.borders,
    allow: uplink.egress.allow,
    ...(link === undefined || leads ? {} : { elsewhere: { link, families: pinned?.families ?? [] } }),
    ...(ports.length > 0 ? { ports } : {}),
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
