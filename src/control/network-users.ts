/** Who keeps a network from going. Pure over the cluster's picture. */
import type { ClusterState } from '../model/cluster.ts';
import type { Binding, Endpoint, Network } from '../model/objects.ts';

export type User = Endpoint | Binding;

/** Endpoints, and bindings that users of an engine made: those that weft itself put into engines go with the network. */
export function usersOf(state: ClusterState, network: Network): User[] {
  const endpoints = [...state.endpoints.values()].filter((endpoint) => endpoint.network === network.id);
  const bindings = bindingsOf(state, network).filter((binding) => binding.synced === undefined);
  return [...endpoints, ...bindings];
}

export function bindingsOf(state: ClusterState, network: Network): Binding[] {
  return [...state.bindings.values()].filter((binding) => binding.network === network.id);
}

/** Ids of the nodes that own space in it. */
export function ownersOf(state: ClusterState, network: Network): string[] {
  const records = [...state.blocks.values()].filter((record) => record.network === network.id);
  return [...new Set(records.flatMap(({ parts }) => parts.map(({ owner }) => owner)))];
}
