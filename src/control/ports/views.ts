/** Published ports as users see them. Pure. */
import type { ClusterState } from '../../model/cluster.ts';
import type { Endpoint, Publication } from '../../model/objects.ts';
import { addressesAsked, familiesOf, familyOf } from '../../model/ports/places.ts';
import type { ListFilter } from '../port.ts';
import type { PortView, PublishedPort } from './port.ts';

export function publishedPorts({ ports = [], addresses }: Endpoint): PublishedPort[] {
  const own = addresses.map((cidr) => cidr.split('/')[0] ?? '');
  return ports.map((one) => ({ ...one, targets: targetsOf(one, own) }));
}

function targetsOf({ address, port }: Publication, own: readonly string[]): string[] {
  const families = new Set(addressesAsked(address, familiesOf(own)).map(familyOf));
  return own
    .filter((one) => families.has(familyOf(one)))
    .map((one) => (one.includes(':') ? `[${one}]:${port}` : `${one}:${port}`));
}

export function portViews(state: ClusterState, endpoint: Endpoint): PortView[] {
  const { container } = state.descriptions.get(endpoint.id) ?? endpoint.engine;
  return publishedPorts(endpoint).map(({ protocol, address, hostPort, targets }) => ({
    node: state.nodes.get(endpoint.node)?.name ?? endpoint.node,
    tenant: state.tenants.get(endpoint.tenant)?.name ?? endpoint.tenant,
    network: state.networks.get(endpoint.network)?.name ?? endpoint.network,
    endpoint: endpoint.name,
    container: container?.name ?? '',
    ...{ protocol, address, hostPort, targets },
  }));
}

/** By tenant, then by node and port. `filter`: resolved */
export function listPorts(state: ClusterState, filter: ListFilter): PortView[] {
  const all = [...state.endpoints.values()].flatMap((endpoint) => portViews(state, endpoint));
  const fits = (wanted: string | undefined, has: string) => !wanted || wanted === has;
  return all
    .filter(
      ({ tenant, network, node, container }) =>
        fits(filter.tenant, tenant) &&
        fits(filter.network, network) &&
        fits(filter.node, node) &&
        fits(filter.container, container),
    )
    .map((port) => ({ port, place: portPlace(port) }))
    .sort((a, b) => compare(a.place.tenant, b.place.tenant) || compare(a.place.name, b.place.name))
    .map(({ port }) => port);
}

/** What a list of them is in order by. */
export function portPlace({ tenant, node, hostPort, protocol, address, network, endpoint }: PortView) {
  const name = [node, String(hostPort).padStart(5, '0'), protocol, address, network, endpoint].join(' ');
  return { tenant, name, id: '' };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
