/** Who may hold a shared address, and who does: the record, as far as its endpoints are there. Pure. */
import { bareAddress } from './address/cidr.ts';
import type { ClusterState } from './cluster.ts';
import { keys } from './keys.ts';
import type { Endpoint, SharedAddress } from './objects.ts';

type Known = Pick<ClusterState, 'endpoints'>;

/** Those that may hold it and are there, in the order in which they were named. */
export function candidatesOf({ endpoints }: Known, shared: SharedAddress): Endpoint[] {
  return shared.endpoints.flatMap((id) => {
    const endpoint = endpoints.get(id);
    return endpoint?.network === shared.network ? [endpoint] : [];
  });
}

/** Undefined: nobody, until one of the others announces it or is given it. */
export function holderOf(state: Known, shared: SharedAddress): Endpoint | undefined {
  return candidatesOf(state, shared).find(({ id }) => id === shared.holder);
}

/**
 * Those that count, by network. What an endpoint has as its own address counts for that alone: the reservation forbids it, and
 * a store from a backup may say so all the same.
 */
export function sharedByNetwork(state: ClusterState): Map<string, SharedAddress[]> {
  const groups = new Map<string, SharedAddress[]>();
  if (state.shared.size === 0) return groups;
  const networks = new Set([...state.shared.values()].map(({ network }) => network));
  const own = new Set<string>();
  for (const { network, addresses } of state.endpoints.values()) {
    if (networks.has(network)) for (const cidr of addresses) own.add(keys.shared(network, bareAddress(cidr)));
  }
  for (const [key, shared] of state.shared) {
    if (!own.has(key)) groups.set(shared.network, [...(groups.get(shared.network) ?? []), shared]);
  }
  return groups;
}
