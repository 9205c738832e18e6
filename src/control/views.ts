/** Objects as users see them: names instead of ids, use and life beside what is stored. Pure. */
import type { ClusterState } from '../model/cluster.ts';
import { levelOf } from '../model/level.ts';
import { sandboxOf } from '../model/objects.ts';
import type { Endpoint, Network, Node, Tenant } from '../model/objects.ts';
import type { ObjectStatus } from '../reconcile/port.ts';
import { subnetUsages, usageView } from './network-usage.ts';
import type { EndpointState, EndpointView, NetworkView, NodeView, SubnetView, TenantView } from './port.ts';

/** What only the endpoint's own node knows: how far its kernel is. */
export interface LocalStatus {
  node: string;
  status: (id: string) => ObjectStatus;
}

export function tenantView(state: ClusterState, tenant: Tenant): TenantView {
  const networks = [...state.networks.values()].filter((network) => network.tenant === tenant.id).length;
  return { ...pick(tenant), networks, origin: tenant.origin, revision: state.revisions.get(tenant.id) ?? 0 };
}

export function networkView(state: ClusterState, network: Network): NetworkView {
  return {
    ...pick(network),
    tenant: state.tenants.get(network.tenant)?.name ?? network.tenant,
    vni: network.vni,
    subnets: subnetViews(state, network),
    internal: network.internal,
    mtu: network.mtu,
    endpoints: [...state.endpoints.values()].filter((endpoint) => endpoint.network === network.id).length,
    origin: network.origin,
    state: network.leaving ? 'leaving' : 'ready',
    bindings: [...state.bindings.values()]
      .filter((binding) => binding.network === network.id)
      .map(({ node, engine, engineId }) => ({ node: state.nodes.get(node)?.name ?? node, engine, engineId })),
    labels: network.labels ?? {},
    revision: state.revisions.get(network.id) ?? 0,
  };
}

function subnetViews(state: ClusterState, network: Network): SubnetView[] {
  const usages = subnetUsages(network, state.addresses.values());
  return network.subnets.flatMap((subnet, i) => {
    const own = usages[i];
    return own ? [{ ...subnet, ...usageView(own.usage) }] : [];
  });
}

export function endpointView(state: ClusterState, endpoint: Endpoint, local: LocalStatus): EndpointView {
  const network = state.networks.get(endpoint.network);
  const attachment = endpoint.attachment;
  const learned = state.descriptions.get(endpoint.id);
  return {
    ...pick(endpoint),
    tenant: state.tenants.get(endpoint.tenant)?.name ?? endpoint.tenant,
    network: network?.name ?? endpoint.network,
    node: state.nodes.get(endpoint.node)?.name ?? endpoint.node,
    addresses: endpoint.addresses,
    mac: endpoint.mac,
    mtu: endpoint.mtu,
    engine: { ...endpoint.engine, container: learned?.container ?? endpoint.engine.container },
    sandbox: sandboxOf(attachment) ?? '',
    // what was given at the attach is the user's own word for this endpoint
    labels: { ...learned?.labels, ...endpoint.labels },
    state: endpointState(state, endpoint, local),
    published: !state.unpublished.has(endpoint.id),
    revision: state.revisions.get(endpoint.id) ?? 0,
    drops: {},
    shared: sharesOf(state, endpoint),
  };
}

function sharesOf(state: ClusterState, endpoint: Endpoint): EndpointView['shared'] {
  const mine = [...state.shared.values()].filter(
    ({ network, endpoints }) => network === endpoint.network && endpoints.includes(endpoint.id),
  );
  const views = mine.map(({ address, holder }) => ({ address, holds: holder === endpoint.id }));
  return views.sort((a, b) => (a.address < b.address ? -1 : 1));
}

function endpointState(state: ClusterState, endpoint: Endpoint, local: LocalStatus): EndpointState {
  if (endpoint.node !== local.node) return state.live.has(endpoint.node) ? 'ready' : 'lost';
  const status = local.status(endpoint.id);
  return status.state === 'pending' ? 'creating' : status.state;
}

export function nodeView(state: ClusterState, node: Node): NodeView {
  return {
    ...pick(node),
    vtep: node.vtep,
    underlayMtu: node.underlayMtu,
    live: state.live.has(node.id),
    endpoints: [...state.endpoints.values()].filter((endpoint) => endpoint.node === node.id).length,
    version: node.version,
    api: node.api ?? '',
    signs: node.signs ?? false,
    level: levelOf(node),
  };
}

function pick(object: { id: string; name: string; createdAt: string }) {
  return { id: object.id, name: object.name, createdAt: object.createdAt };
}
