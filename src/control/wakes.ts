import type { ClusterState } from '../model/cluster.ts';
import { prefixes } from '../model/keys.ts';
import type { Wake } from '../reconcile/port.ts';
import type { ViewChange } from './cluster-view.ts';

/** Changes of these concern every tenant. */
const GLOBAL = [prefixes.tenants, prefixes.networks, prefixes.nodes, prefixes.egress, prefixes.routers];
/** "<prefix><network>/..." */
const PER_NETWORK = [prefixes.endpoints, prefixes.bindings];

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
