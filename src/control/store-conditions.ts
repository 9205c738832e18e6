import type { Condition } from '../model/status.ts';
import type { Store } from '../store/port.ts';

/** What an operator should know about the store; its log line is the store's own. */
export function storeConditions(store: Store): Condition[] {
  const restored = store.restored();
  if (!restored) return [];
  const { before, after, noticedAt } = restored;
  const what =
    before.clusterId === after.clusterId
      ? `its revision went back from ${before.revision} to ${after.revision}`
      : `it is another cluster (${after.clusterId} at revision ${after.revision}) than before (${before.clusterId} at ${before.revision})`;
  return [{ type: 'store-restored', object: 'etcd', message: `etcd was restored: ${what}`, since: noticedAt }];
}
