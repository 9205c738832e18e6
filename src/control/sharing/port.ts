/** What may be asked about addresses that several endpoints share. */
import type { CallContext, ListFilter } from '../port.ts';

/**
 * `waiting`: nobody has it; the first of its endpoints that announces it does. `resting`: it was given up and is kept back
 * for a while, so that nobody else is taken for its last holder.
 */
export type SharedState = 'held' | 'waiting' | 'resting';

export interface SharedAddressView {
  address: string;
  /** names */
  tenant: string;
  network: string;
  /** of an endpoint of the network, and of its node; '' while nobody has it */
  holder: string;
  node: string;
  /** those that may hold it and are there, in the order in which they were named */
  endpoints: string[];
  state: SharedState;
  /** how it came to its holder: command or announcement */
  by: string;
  /** the state */
  since: string;
  createdAt: string;
  /** why nobody has it, and what comes next; '' where somebody does */
  note: string;
}

export interface SharedAddressRequest {
  /** TENANT/NETWORK or an id */
  network: string;
  address: string;
  /** names in the network, TENANT/NETWORK/ENDPOINT, or ids */
  endpoints: string[];
}

export interface SharingControl {
  /** Adds to those that may hold it; the first of a new one has it. */
  shareAddress(request: SharedAddressRequest, context?: CallContext): Promise<SharedAddressView>;
  /** Takes endpoints from it, or, with none named, gives it up. */
  unshareAddress(request: SharedAddressRequest, context?: CallContext): Promise<void>;
  moveAddress(
    request: { network: string; address: string; endpoint: string },
    context?: CallContext,
  ): Promise<SharedAddressView>;
  listSharedAddresses(filter: ListFilter): Promise<SharedAddressView[]>;
}
