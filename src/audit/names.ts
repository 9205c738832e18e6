/** Objects as people call them; what is gone is called by its id. */
import type { ClusterState } from '../model/cluster.ts';
import type { Endpoint } from '../model/objects.ts';

export function nodeName(state: ClusterState, id: string): string {
  return state.nodes.get(id)?.name ?? id;
}

export function networkName(state: ClusterState, id: string): string {
  const network = state.networks.get(id);
  if (!network) return id;
  return `${state.tenants.get(network.tenant)?.name ?? network.tenant}/${network.name}`;
}

export function endpointName(state: ClusterState, endpoint: Pick<Endpoint, 'network' | 'name'>): string {
  return `${networkName(state, endpoint.network)}/${endpoint.name}`;
}

/** "acme/web 10.1.2.3" */
export function addressName(state: ClusterState, { network, address }: { network: string; address: string }): string {
  return `${networkName(state, network)} ${address}`;
}
