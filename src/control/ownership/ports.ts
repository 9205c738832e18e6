/** What ownership asks of other nodes. Calls end by their deadline with a WeftError; they may be repeated. */
import type { CallOptions } from '../../store/port.ts';

/** To the owner of space: a part of it for the asker. */
export interface SplitRequest {
  /** id */
  network: string;
  /** subnet's CIDR */
  pool: string;
  /** exactly this address; '' for any space */
  address: string;
  /** CIDR: only within it; '' for all of the pool */
  range: string;
  /** id of the node that asks */
  asker: string;
}

/** `none`: the owner has nothing to spare; `moving`: what it had is on its way to somebody. */
export type SplitAnswer = 'split' | 'none' | 'moving';

/** An owner's records that the store may not show yet: the watch confirms them. */
export interface Hint {
  node: string;
  /** of the owner's journal: the store knows them once the owner's fence has it */
  sequence: number;
  put: { key: string; value: unknown }[];
  delete: string[];
  /** of the owner; '' where it does not tell */
  bootId: string;
}

export interface PeerPort {
  split(node: string, request: SplitRequest, options: CallOptions): Promise<SplitAnswer>;
  /** The store's revision up to which the node's kernel follows the cluster. */
  applied(node: string, options: CallOptions): Promise<{ revision: number }>;
  /** Best effort: lost ones are made good by the watch. */
  hint(node: string, hint: Hint, options: CallOptions): Promise<void>;
}
