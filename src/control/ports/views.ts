/** Published ports as users see them. Pure. */
import { hostPort } from '../../model/address/address.ts';
import { bareAddress } from '../../model/address/cidr.ts';
import type { ClusterState } from '../../model/cluster.ts';
import type { Endpoint, Publication } from '../../model/objects.ts';
import { addressesAsked, familiesOf, familyOf } from '../../model/ports/places.ts';
import { compare, showsEndpoint } from '../lists.ts';
import type { ListFilter } from '../port.ts';
import { endpointView } from '../views.ts';
import type { LocalStatus } from '../views.ts';
import type { PortView } from './port.ts';

/** The container's addresses that it leads to. */
function targetsOf({ address, port }: Publication, own: readonly string[]): string[] {
  const families = new Set(addressesAsked(address, familiesOf(own)).map(familyOf));
  return own.filter((one) => families.has(familyOf(one))).map((one) => hostPort(one, port));
}

export function portViews(state: ClusterState, endpoint: Endpoint): PortView[] {
  const { container } = state.descriptions.get(endpoint.id) ?? endpoint.engine;
  const own = endpoint.addresses.map(bareAddress);
  return (endpoint.ports ?? []).map((publication) => ({
    node: state.nodes.get(endpoint.node)?.name ?? endpoint.node,
    tenant: state.tenants.get(endpoint.tenant)?.name ?? endpoint.tenant,
    network: state.networks.get(endpoint.network)?.name ?? endpoint.network,
    endpoint: endpoint.name,
    container: container?.name ?? '',
    ...{ protocol: publication.protocol, address: publication.address, hostPort: publication.hostPort },
    targets: targetsOf(publication, own),
  }));
}

/** Of the endpoints that the resolved filter shows, by tenant, then by node and port. */
export function listPorts(state: ClusterState, filter: ListFilter, local: LocalStatus): PortView[] {
  const shown = [...state.endpoints.values()].filter(
    (endpoint) => endpoint.ports && showsEndpoint(filter, endpointView(state, endpoint, local)),
  );
  return shown
    .flatMap((endpoint) => portViews(state, endpoint))
    .map((port) => ({ port, place: portPlace(port) }))
    .sort((a, b) => compare(a.place.tenant, b.place.tenant) || compare(a.place.name, b.place.name))
    .map(({ port }) => port);
}

/** What a list of them is in order by. */
export function portPlace({ tenant, node, hostPort, protocol, address, network, endpoint }: PortView) {
  const name = [node, String(hostPort).padStart(5, '0'), protocol, address, network, endpoint].join(' ');
  return { tenant, name, id: '' };
}
