import type { LineageKeeper, Store } from '../../src/store/port.ts';
import type { Reader } from './watch-reader.ts';

/** A store's server, and ways to make it fail. */
export interface StoreHarness {
  /** another client of the same server, with an empty prefix of its own until `fresh` is called again */
  open(prefix: string, keeper?: LineageKeeper): Promise<Store>;
  /** ends the server as a power cut does */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** the server stands still: it neither answers nor hangs up */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** writes while no other client sees the server, and forgets history afterwards if told to; the server is back then */
  unseen(prefix: string, write: (store: Store) => Promise<void>, options: { compact: boolean }): Promise<void>;
  /** of all data of the server, or of the prefix alone */
  backup(prefix: string): Promise<void>;
  /** the backup takes the place of the data; the server is back then */
  restore(prefix: string, options: { newCluster: boolean }): Promise<void>;
  remove(): Promise<void>;
}

/** One test's view of a harness: what it opens is closed after it. */
export interface StoreBench {
  /** a store over an empty prefix of its own, answering */
  fresh: () => Promise<Store>;
  /** another client of the same prefix */
  open: (keeper?: LineageKeeper) => Promise<Store>;
  watch: (on: Store, under?: string) => Reader;
  freeze: () => Promise<void>;
  thaw: () => Promise<void>;
  backup: () => Promise<void>;
  restore: (options: { newCluster: boolean }) => Promise<void>;
}
