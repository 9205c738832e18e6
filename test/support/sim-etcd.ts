/**
 * The one etcd of a simulation: the state of the in-memory store, the history that watches are served from, leases by the
 * simulated clock, backups. What is committed is told to whoever judges it.
 */
import { PrefixMap } from '../../src/model/prefix-map.ts';
import { MemoryState } from '../../src/store/memory-state.ts';
import type { MemoryBackup } from '../../src/store/memory-state.ts';
import type { Change, Compare, Entry, TransactionResult } from '../../src/store/port.ts';
import type { EncodedOperation } from '../../src/store/transaction.ts';
import type { SimClock } from './sim-clock.ts';

export interface SimCommit {
  revision: number;
  changes: Change[];
}

/** Who wrote, as the simulation knows it. */
export interface Writer {
  host: string;
  node: string;
}

interface GrantedLease {
  ttl: number;
  expiry: ReturnType<SimClock['schedule']> | undefined;
}

export class SimEtcd {
  readonly state = new MemoryState();
  /** what `state` holds, read once */
  readonly #entries = new PrefixMap<Entry>();
  /** counts the processes that were etcd: a message to a former one never arrives */
  incarnation = 0;
  readonly #clock: SimClock;
  #log: SimCommit[] = [];
  /** commits up to it are not in the log */
  #compacted = 1;
  readonly #leases = new Map<string, GrantedLease>();
  readonly #listeners = new Set<(commit: SimCommit, writer: Writer | undefined) => void>();
  readonly #restarted = new Set<() => void>();
  #writer: Writer | undefined;

  constructor(clock: SimClock) {
    this.#clock = clock;
    this.state.onCommit((commit) => this.#follow(commit));
  }

  get revision(): number {
    return this.state.revision;
  }

  read(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  /** By key. */
  list(prefix: string): Entry[] {
    const found = [...this.#entries.entries(prefix)];
    return found.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
  }

  transact(compare: Compare[], operations: EncodedOperation[], writer: Writer): TransactionResult {
    this.#writer = writer;
    try {
      return this.state.transact(compare, operations);
    } finally {
      this.#writer = undefined;
    }
  }

  /** After each commit, in order; `writer` is undefined for what etcd does itself. */
  onCommit(listener: (commit: SimCommit, writer: Writer | undefined) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onRestart(listener: () => void): () => void {
    this.#restarted.add(listener);
    return () => this.#restarted.delete(listener);
  }

  /** undefined: a watch that has seen no more than `revision` must begin anew. */
  since(revision: number): SimCommit[] | undefined {
    if (revision < this.#compacted) return undefined;
    let from = this.#log.length;
    while (from > 0 && (this.#log[from - 1]?.revision ?? 0) > revision) from--;
    return this.#log.slice(from);
  }

  compact(): void {
    this.#compacted = this.revision;
    this.#log = [];
  }

  grantLease(seconds: number): string {
    const id = this.state.grantLease();
    this.#leases.set(id, { ttl: 1_000 * seconds, expiry: undefined });
    return id;
  }

  endLease(id: string): void {
    this.#clock.cancel(this.#leases.get(id)?.expiry);
    this.#leases.delete(id);
    this.state.endLease(id);
  }

  /** Nobody renews it from now on, or somebody does again. Its time runs from when the last one did. False: it has ended. */
  renewed(id: string, renewed: boolean): boolean {
    const lease = this.#leases.get(id);
    if (!lease) return false;
    if (!renewed && lease.expiry) return true;
    this.#clock.cancel(lease.expiry);
    lease.expiry = renewed ? undefined : this.#clock.schedule(lease.ttl, () => this.endLease(id));
    return true;
  }

  backup(): MemoryBackup {
    return this.state.backup();
  }

  /** As `etcdctl snapshot restore` leaves it: another cluster id, an older revision, leases of full time that nobody renews. */
  restore(backup: MemoryBackup): void {
    this.incarnation++;
    this.state.restore(backup, { newCluster: true });
    this.compact();
    this.#entries.clear();
    for (const entry of this.state.list('')) this.#entries.set(entry.key, frozen(entry));
    for (const [id] of backup.leaseKeys)
      if (!this.#leases.has(id)) this.#leases.set(id, { ttl: 10_000, expiry: undefined });
    for (const id of this.#leases.keys()) {
      this.renewed(id, true);
      this.renewed(id, false);
    }
    for (const listener of this.#restarted) listener();
  }

  #follow(commit: SimCommit | undefined): void {
    if (!commit) return;
    // The history is kept here, where finding its end costs nothing.
    this.state.compact();
    for (const change of commit.changes) {
      if (change.type === 'put') this.#entries.set(change.entry.key, frozen(change.entry));
      else this.#entries.delete(change.key);
    }
    this.#log.push(commit);
    for (const listener of this.#listeners) listener(commit, this.#writer);
  }
}

/** Readers share what they read; whoever changes it fails. */
function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  for (const inner of Object.values(value)) frozen(inner);
  return Object.freeze(value);
}
