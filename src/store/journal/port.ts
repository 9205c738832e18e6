/**
 * The journal: the durable log of one node's own records (design section 4). For what a node owns it is the truth and etcd
 * the copy. It is generic over its records: relative keys such as `addresses/<network>/<ip>`, JSON values.
 */
import type { Log } from '../log.ts';
import type { FilePort } from './file-port.ts';

export type JournalOperation = { put: string; value: unknown } | { delete: string };

/** Who writes, or wrote last: what tells one boot, a restored disk and a clone apart. */
export interface JournalHeader {
  node: string;
  machineId: string;
  bootId: string;
  epoch: number;
}

/** One append: carried out as a whole or not at all. */
export interface JournalEntry {
  sequence: number;
  operations: JournalOperation[];
}

/** `release` entries may be written into the reserve when the disk is full, so that a detach never fails for that. */
export type AppendKind = 'normal' | 'release';

export interface Appended {
  sequence: number;
  /**
   * Resolves when the entry and all before it are on disk. When it rejects, memory is back at what is durable, but the
   * outcome is not known: the entry may be there when the journal is opened again. The rejection may be left unhandled.
   */
  durable: Promise<void>;
}

export interface Journal {
  /** As found on disk, or the one given for a fresh journal; then what `rebind` made durable. */
  readonly header: JournalHeader;
  /** There was no journal in the directory. */
  readonly fresh: boolean;
  /** Of the last append that was not taken back; 0 before the first. */
  readonly sequence: number;
  /** The last sequence that is known to be on disk. */
  readonly durable: number;
  /** What `publishedUpTo` said last. After a crash it may lag behind what was said: publishing again must do no harm. */
  readonly published: number;
  /** True while only `release` entries are taken: the reserve is all the room there is. */
  readonly full: boolean;
  /** Why nothing can be appended any more, after a failed write; a journal opened anew may do better. */
  readonly failure: Error | undefined;

  /** Of the state after the last append, durable or not. Values are the journal's own: not to be changed. */
  get(key: string): unknown;
  /** Walks the whole state, in no particular order. */
  entries(prefix?: string): Iterable<[key: string, value: unknown]>;
  /**
   * Durable entries above `after` that are not known to be published, in order. Those that are not durable yet are kept back:
   * etcd must never hold a sequence that a crash can take from this disk. When very many wait, neighbours are merged into
   * one entry with the sequence of the last, of at most `limits.mergedOperations` operations.
   */
  pending(after: number, limit: number): JournalEntry[];

  /**
   * Takes effect in memory at once. Values are kept as JSON has them.
   * @throws WeftError `journal-full` (`normal` only), `journal-failed`, `invalid-argument`
   */
  append(operations: JournalOperation[], kind?: AppendKind): Appended;
  /** While it is full: looks whether there is room now, and takes the reserve again. Never throws; cheap while it is not full. */
  regain(): Promise<void>;
  /** What etcd has acknowledged need not be kept. Cheap: written with the next append or snapshot. */
  publishedUpTo(sequence: number): void;
  /** Another boot id or epoch; durable when it resolves. */
  rebind(header: JournalHeader): Promise<void>;
  /** @throws WeftError `journal-full`, as a `normal` append would */
  assertRoom(): void;
  /** Writes what waits and lets go of the files. Idempotent. */
  close(): Promise<void>;
}

export interface JournalLimits {
  /** bytes of log, at least, after which the state is written as a snapshot and the log begins anew */
  logBytes: number;
  /** bytes set aside so that releases can be written on a full disk; 0 for none */
  reserveBytes: number;
  /** bytes appended and not yet on disk above which normal appends are refused: the disk does not keep up */
  waitingBytes: number;
  /** bytes of one entry */
  entryBytes: number;
  /** entries that wait to be published above which neighbours are merged */
  pendingEntries: number;
  /** operations of a merged entry, so that it fits into one transaction of etcd */
  mergedOperations: number;
}

export interface JournalOptions {
  /** Made 0700 where there is none. One writer at a time is the caller's business: weftd holds its host's lock. */
  directory: string;
  files: FilePort;
  /** Of this process; written only into a fresh journal. */
  header: JournalHeader;
  log: Log;
  limits?: Partial<JournalLimits>;
}
