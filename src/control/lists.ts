/** Which objects a list or a watch shows, by a resolved filter. Pure. */
import type { ClusterState } from '../model/cluster.ts';
import type { EndpointView, EngineView, ListFilter, NetworkView, NodeView, TenantView } from './port.ts';
import { engineView } from './engines/in-step.ts';
import { findTenant, lookupNetwork } from './references.ts';
import { endpointView, networkView, nodeView, tenantView } from './views.ts';
import type { LocalStatus } from './views.ts';

/**
 * The filter with names as views show them, where ids or TENANT/NETWORK were given. A tenant that does not exist is
 * `tenant-not-found`; a network or node that does not exist shows nothing.
 */
export function resolveFilter(state: ClusterState, filter: ListFilter): ListFilter {
  const resolved = { ...filter };
  if (filter.tenant) resolved.tenant = findTenant(state, filter.tenant).name;
  const node = filter.node ? state.nodes.get(filter.node) : undefined;
  if (node) resolved.node = node.name;
  const byId = filter.network ? state.networks.get(filter.network) : undefined;
  const network = byId ?? (filter.network?.includes('/') ? lookupNetwork(state, filter.network) : undefined);
  if (network) {
    resolved.network = network.name;
    resolved.tenant = state.tenants.get(network.tenant)?.name ?? network.tenant;
  }
  return resolved;
}

export function listTenants(state: ClusterState, filter: ListFilter): TenantView[] {
  const all = [...state.tenants.values()].map((tenant) => tenantView(state, tenant));
  return all.filter((view) => showsTenant(filter, view)).sort(byName);
}

export function listNetworks(state: ClusterState, filter: ListFilter): NetworkView[] {
  const all = [...state.networks.values()].map((network) => networkView(state, network));
  return all.filter((view) => showsNetwork(filter, view)).sort(byName);
}

export function listEndpoints(state: ClusterState, filter: ListFilter, local: LocalStatus): EndpointView[] {
  const all = [...state.endpoints.values()].map((endpoint) => endpointView(state, endpoint, local));
  return all.filter((view) => showsEndpoint(filter, view)).sort(byName);
}

export function listNodes(state: ClusterState, filter: ListFilter): NodeView[] {
  const all = [...state.nodes.values()].map((node) => nodeView(state, node));
  return all.filter((view) => showsNode(filter, view)).sort(byName);
}

export function listEngines(state: ClusterState, filter: ListFilter): EngineView[] {
  const all = [...state.engines.values()].map((record) => engineView(state, record));
  return all.filter((view) => showsEngine(filter, view)).sort((a, b) => compare(a.node, b.node));
}

function byName(
  a: { tenant?: string; name: string; id: string },
  b: { tenant?: string; name: string; id: string },
): number {
  return compare(a.tenant ?? '', b.tenant ?? '') || compare(a.name, b.name) || compare(a.id, b.id);
}

export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function showsTenant(filter: ListFilter, tenant: TenantView): boolean {
  return fits(filter.tenant, tenant.name);
}

export function showsNetwork(filter: ListFilter, network: NetworkView): boolean {
  return (
    fits(filter.tenant, network.tenant) &&
    fits(filter.network, network.name) &&
    fitsLabels(filter.labels, network.labels)
  );
}

export function showsEndpoint(filter: ListFilter, endpoint: EndpointView): boolean {
  const { container } = endpoint.engine;
  return (
    fits(filter.tenant, endpoint.tenant) &&
    fits(filter.network, endpoint.network) &&
    fits(filter.node, endpoint.node) &&
    fits(filter.state, endpoint.state) &&
    (!filter.container ||
      container?.name === filter.container ||
      (container?.id.startsWith(filter.container) ?? false)) &&
    fits(filter.project, container?.project) &&
    fitsLabels(filter.labels, endpoint.labels)
  );
}

export function showsNode(filter: ListFilter, node: NodeView): boolean {
  return fits(filter.node, node.name);
}

export function showsEngine(filter: ListFilter, engine: EngineView): boolean {
  return fits(filter.node, engine.node);
}

function fits(wanted: string | undefined, ...has: (string | undefined)[]): boolean {
  return !wanted || has.includes(wanted);
}

function fitsLabels(wanted: string[] | undefined, labels: Record<string, string>): boolean {
  return (wanted ?? []).every((selector) => {
    const at = selector.indexOf('=');
    return at < 0 ? Object.hasOwn(labels, selector) : labels[selector.slice(0, at)] === selector.slice(at + 1);
  });
}
