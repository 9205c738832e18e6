/**
 * What may be taken away while the cluster is known from an earlier picture only. The kernel may know more than it: what other
 * hosts made since. This node's own endpoints are its journal's, which is whole: a port of one that ended goes.
 */
import type { ClusterState } from '../model/cluster.ts';
import type { Operation } from '../plan/diff.ts';
import { ALIAS_PREFIX, keyOf } from '../plan/objects.ts';
import type { KernelObject } from '../plan/objects.ts';

const PORT = `${ALIAS_PREFIX}port:`;

/** Leaves out deletions, but of ports without an endpoint and of what is made anew in the same round. Pure. */
export function sparing(state: ClusterState, node: string, operations: Operation[]): Operation[] {
  const isEnded = (object: KernelObject) =>
    object.kind === 'port' &&
    object.alias.startsWith(PORT) &&
    state.endpoints.get(object.alias.slice(PORT.length))?.node !== node;
  const made = new Set(operations.flatMap(({ type, object }) => (type === 'create' ? [keyOf(object)] : [])));
  return operations.filter(({ type, object }) => type !== 'delete' || made.has(keyOf(object)) || isEnded(object));
}
