/** What a node's space needs of those around it. */
import type { Logger } from 'pino';
import type { WeftError } from '../../model/errors.ts';
import type { Pool } from '../../model/ipam/pool.ts';
import type { CallOptions, Store } from '../../store/port.ts';
import type { ClusterView } from '../cluster-view.ts';
import type { Turns } from '../turns.ts';
import type { AddressIndex } from './address-index.ts';
import type { Need } from './need.ts';
import type { OwnRecords } from './own-records.ts';
import type { PeerPort } from './ports.ts';
import type { Standing } from './standing.ts';

export interface SpaceOptions {
  node: { id: string; name: string };
  store: Store;
  view: ClusterView;
  own: OwnRecords;
  standing: Standing;
  peers: PeerPort;
  turns: Turns;
  /** the need can be met from what this node owns now */
  fits: (need: Need) => boolean;
  index: AddressIndex;
  /** why there is nothing left, for people */
  exhausted: (need: Need) => WeftError;
  /** why exactly this address cannot be had */
  refused: (need: Need, owner: string) => WeftError;
  /** what this node owns, into the store */
  flush: (options: CallOptions) => Promise<void>;
  poolOf: (network: string, cidr: string) => Pool | undefined;
  log: Logger;
}
