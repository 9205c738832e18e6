import type { Store } from '../../src/store/port.ts';

/** A store's server, and ways to make it fail. */
export interface StoreHarness {
  /** another client of the same server, with an empty prefix of its own until `fresh` is called again */
  open(prefix: string): Promise<Store>;
  /** ends the server as a power cut does */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** the server stands still: it neither answers nor hangs up */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** writes while no other client sees the server, and forgets history afterwards if told to; the server is back then */
  unseen(prefix: string, write: (store: Store) => Promise<void>, options: { compact: boolean }): Promise<void>;
  remove(): Promise<void>;
}
