import type { ClusterState } from '../model/cluster.ts';
import { prefixes } from '../model/keys.ts';
import type { Endpoint } from '../model/objects.ts';
import type { Wake } from '../reconcile/port.ts';
import type { ViewChange } from './cluster-view.ts';

/** Changes of these concern every tenant. */
const GLOBAL = [
  ...[prefixes.tenants, prefixes.networks, prefixes.nodes],
  ...[prefixes.egress, prefixes.egressHolders, prefixes.routers],
];
/** "<prefix><network>/..." */
const PER_NETWORK = [prefixes.endpoints, prefixes.bindings, prefixes.shared];

/**
 * What the loop has to look at after each change. A published port concerns every tenant of the cluster, whose containers may
 * reach it: where it is published is remembered, since a record tells neither that it changed nor, once it is gone, what it was.
 */
export class ClusterWakes {
  /** by endpoint; those without ports have none */
  #published = new Map<string, string>();

  of(change: ViewChange, state: ClusterState): Wake[] {
    return [...wakesOf(change, state), ...this.#ofPorts(change, state)];
  }

  #ofPorts(change: ViewChange, state: ClusterState): Wake[] {
    if (!change.keys) {
      this.#published = new Map();
      for (const endpoint of state.endpoints.values()) this.#note(endpoint.id, endpoint);
      return [];
    }
    const wakes: Wake[] = [];
    for (const key of change.keys) {
      if (!key.startsWith(prefixes.endpoints)) continue;
      const id = key.slice(key.lastIndexOf('/') + 1);
      if (this.#note(id, state.endpoints.get(id))) wakes.push({ kind: 'all', reason: key });
    }
    return wakes.slice(0, 1);
  }

  /** True where it publishes elsewhere than before. */
  #note(id: string, endpoint: Endpoint | undefined): boolean {
    const before = this.#published.get(id);
    const { node, addresses, ports = [] } = endpoint ?? {};
    if (ports.length === 0) return this.#published.delete(id);
    const now = JSON.stringify([node, addresses, ports]);
    this.#published.set(id, now);
    return now !== before;
  }
}

/** What the reconcile loop has to look at after a change of the cluster; nothing for records the kernel does not show. */
export function wakesOf(change: ViewChange, state: ClusterState): Wake[] {
  if (!change.keys) return [{ kind: 'all', reason: 'snapshot' }];
  const tenants = new Set<string>();
  for (const key of change.keys) {
    if (GLOBAL.some((prefix) => key.startsWith(prefix))) return [{ kind: 'all', reason: key }];
    const prefix = PER_NETWORK.find((one) => key.startsWith(one));
    const network = prefix && state.networks.get(key.slice(prefix.length).split('/')[0] ?? '');
    if (network) tenants.add(network.tenant);
  }
  return [...tenants].map((tenant) => ({ kind: 'tenant', tenant, reason: `revision ${change.revision}` }));
}
