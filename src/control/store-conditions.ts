import type { Condition } from '../model/status.ts';
import type { Store } from '../store/port.ts';
import type { ClusterView } from './cluster-view.ts';

/** A start while the store was away: what is shown may be old, and what needs the store waits. */
export function keptConditions(view: ClusterView): Condition[] {
  const { kept } = view;
  if (!kept) return [];
  const message =
    `etcd has not answered since weftd started: it serves from its journal and a picture of revision ${kept.revision}; ` +
    'attaches in space that this host owns and detaches go on, all other changes wait for etcd';
  return [{ type: 'store-picture', object: 'etcd', message, since: kept.takenAt }];
}

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
