import type { Logger } from 'pino';
import type { Cidr } from '../model/address/cidr.ts';
import type { ClusterSettings } from '../model/cluster.ts';
import type { Reconciler } from '../reconcile/port.ts';
import type { Store } from '../store/port.ts';
import type { ClusterView } from './cluster-view.ts';
import type { Turns } from './turns.ts';

/** What every use case needs; made once by main.ts. */
export interface ControlDeps {
  store: Store;
  view: ClusterView;
  reconciler: Reconciler;
  /** by network reference or pool id: choices of addresses on this host do not race each other */
  turns: Turns;
  node: { id: string; name: string; bootId: string };
  settings: ClusterSettings;
  version: string;
  /** engines may use weft's addresses on networks of other drivers */
  ipamOnly: boolean;
  /** ranges this host's own routes reach, so that a chosen subnet does not hide them */
  hostRoutes: () => Promise<Cidr[]>;
  now: () => Date;
  log: Logger;
}
