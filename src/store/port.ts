/**
 * The store as the rest of weft sees it: a map of JSON values with one revision counter, transactions, leases and
 * watches that begin with a snapshot. etcd (etcd.ts) and an in-memory twin for tests (memory.ts) stand behind it, held
 * to one contract suite (test/contract/store.ts).
 *
 * Keys are relative to the store's prefix. A revision grows with every transaction that writes.
 */

export interface Entry<T = unknown> {
  key: string;
  value: T;
  /** revision of the last write of this key: what a compare refers to */
  revision: number;
  /** revision of the write that created it */
  created: number;
}

export type Change = { type: 'put'; entry: Entry } | { type: 'delete'; key: string };

/**
 * What a watch yields: a snapshot first, then the changes of one revision or of several consecutive ones, in order, each
 * transaction whole; a new snapshot whenever history was lost (compaction, a stream that broke and could not be resumed).
 * An event that is not a change of the prefix is never yielded, save that `revision` may move on with `changes` empty.
 */
export type StoreEvent =
  { kind: 'snapshot'; revision: number; entries: Entry[] } | { kind: 'changes'; revision: number; changes: Change[] };

export type Compare =
  /** the key's last write was at this revision; 0: the key is absent */
  | { key: string; revision: number }
  /** no key begins with this */
  | { emptyPrefix: string };

export type Operation = { put: string; value: unknown; lease?: Lease } | { delete: string } | { deletePrefix: string };

export interface Transaction {
  compare: Compare[];
  then: Operation[];
}

export interface TransactionResult {
  /** false: a compare failed and nothing was written */
  succeeded: boolean;
  /** the store's revision after it */
  revision: number;
}

/** Every call ends by its deadline with a WeftError `store-away`, or earlier with the signal's reason. */
export interface CallOptions {
  /** milliseconds; 4,000 when left out */
  deadline?: number;
  signal?: AbortSignal;
}

export interface Lease {
  readonly id: string;
  /** aborted before others may see the lease's keys vanish, by a timer of this process */
  readonly lost: AbortSignal;
  /** False no later than `lost`, and by the clock itself: to be asked after this process may have stood still. */
  held(): boolean;
  /** Milliseconds for which it is held although nothing more is heard of the store; 0 once it is lost. */
  left(): number;
  revoke(options?: CallOptions): Promise<void>;
}

/** `degraded`: it answers, but a member of it does not */
export type StoreState = 'ok' | 'degraded' | 'away';

/** A point in the history of one cluster: nothing older than it can be its present. */
export interface HistoryMark {
  clusterId: string;
  revision: number;
}

/** The store went on from another history than the one known here: it was restored from a backup, or made anew. */
export interface Restoration {
  /** the newest that was seen of the old history */
  before: HistoryMark;
  /** the first that was seen of the other one */
  after: HistoryMark;
  /** ISO time of noticing */
  noticedAt: string;
}

/** What outlives the process, so that a restore is noticed that happened while it was down. */
export interface LineageRecord {
  seen: HistoryMark;
  restored?: Restoration;
}

export interface LineageKeeper {
  load(): Promise<LineageRecord | undefined>;
  save(record: LineageRecord): Promise<void>;
}

export const MAX_TRANSACTION_OPERATIONS = 100;

export interface Store {
  get(key: string, options?: CallOptions): Promise<{ entry: Entry | undefined; revision: number }>;
  list(prefix: string, options?: CallOptions): Promise<{ entries: Entry[]; revision: number }>;
  /** More than 100 compares and operations together, or 512 KiB, is a programming error and throws. */
  transact(transaction: Transaction, options?: CallOptions): Promise<TransactionResult>;
  /** Ends (returns) when the signal is aborted; never throws for an outage: it waits, and reports through `state`. */
  watch(prefix: string, signal: AbortSignal): AsyncIterable<StoreEvent>;
  /** A lease kept alive until it is revoked, lost, or the store is closed. */
  lease(ttlSeconds: number, options?: CallOptions): Promise<Lease>;
  state(): StoreState;
  /** Yields the present state first, then each change of it. */
  states(signal: AbortSignal): AsyncIterable<StoreState>;
  /**
   * Set before any call or watch delivers what the restored store holds, each watch beginning anew with a snapshot; kept,
   * over restarts too where there is a keeper, until `acceptRestored`.
   */
  restored(): Restoration | undefined;
  /** Whoever decides says that the cluster has recovered: from now on the store's history is the right one. */
  acceptRestored(): Promise<void>;
  close(): Promise<void>;
}
