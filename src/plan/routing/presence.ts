/** Which networks a host has to build: those with something of its own, and those that routers join to them. Pure. */
import type { ClusterState } from '../../model/cluster.ts';
import type { Network, Router } from '../../model/objects.ts';

/** Ids. A binding counts: the network is built before its first endpoint, so that an attach finds it standing. */
export function ownNetworks(state: ClusterState, node: string): Set<string> {
  const records = [...state.endpoints.values(), ...state.bindings.values()];
  return new Set(records.filter((one) => one.node === node).map((one) => one.network));
}

/**
 * A packet is routed on the host where it comes from and goes straight to the one where it ends, so whoever has one network
 * of a router needs them all. Routers are not transitive: what two of them have in common joins nobody else.
 */
export function presentNetworks(state: ClusterState, node: string): Set<string> {
  const own = ownNetworks(state, node);
  const present = new Set(own);
  for (const router of state.routers.values()) {
    if (router.networks.some((network) => own.has(network))) {
      for (const { id } of joined(state, router)) present.add(id);
    }
  }
  for (const { id } of pinnedNetworks(state, node)) present.add(id);
  return present;
}

/** The host takes part in a network of ours, by something of its own or for what is others'. */
export function isPresent(state: ClusterState, node: string): boolean {
  for (const records of [state.endpoints, state.bindings])
    for (const { node: owner } of records.values()) if (owner === node) return true;
  return pinnedNetworks(state, node).length > 0;
}

/** Who may lead a tenant's packets out brings the answers to all of its networks. */
function pinnedNetworks(state: ClusterState, node: string): Network[] {
  const leads = [...state.egress.values()].filter(({ pin, off }) => pin?.nodes.includes(node) && !off);
  const tenants = new Set(leads.map(({ tenant }) => tenant));
  if (tenants.size === 0) return [];
  return [...state.networks.values()].filter(({ tenant, internal }) => !internal && tenants.has(tenant));
}

/** The networks of a router that are there and have a gateway, by name; fewer than two join nothing. */
export function joined(state: ClusterState, router: Router): Network[] {
  return router.networks
    .flatMap((id) => state.networks.get(id) ?? [])
    .filter((network) => network.tenant === router.tenant && !network.internal)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
