/**
 * The shared half of the in-memory store: what a cluster's etcd would hold. Values are kept as JSON text, so that no
 * reader can change what another reads. All methods are synchronous: a transaction is atomic by being one call.
 */
import { randomUUID } from 'node:crypto';
import { WeftError } from '../model/errors.ts';
import { PrefixMap } from '../model/prefix-map.ts';
import type { Change, Compare, Entry, TransactionResult } from './port.ts';
import type { EncodedOperation } from './transaction.ts';

interface Record {
  json: string;
  revision: number;
  created: number;
  lease: string | undefined;
}

/** One committed transaction, in commit order. */
export interface Commit {
  revision: number;
  changes: Change[];
}

/** What a backup of an etcd holds. */
export interface MemoryBackup {
  revision: number;
  records: [string, Record][];
  leaseKeys: [string, string[]][];
}

/** the longest history a watch is given instead of a snapshot, as etcd's (watch-stream.ts) */
const MAX_CHANGES = 20_000;

export class MemoryState {
  #clusterId = randomUUID();
  #revision = 1;
  #compacted = 0;
  #history: Commit[] = [];
  #leases = 0;
  readonly #records = new PrefixMap<Record>();
  #leaseKeys = new Map<string, Set<string>>();
  readonly #watchers = new Set<(commit?: Commit) => void>();

  get revision(): number {
    return this.#revision;
  }

  get clusterId(): string {
    return this.#clusterId;
  }

  backup(): MemoryBackup {
    const leaseKeys = [...this.#leaseKeys].map(([id, keys]): [string, string[]] => [id, [...keys]]);
    return { revision: this.#revision, records: structuredClone([...this.#records.entries()]), leaseKeys };
  }

  /** All goes back to the backup; history before it is not kept. */
  restore(backup: MemoryBackup, options: { newCluster: boolean }): void {
    if (options.newCluster) this.#clusterId = randomUUID();
    this.#revision = this.#compacted = backup.revision;
    this.#history = [];
    this.#records.clear();
    for (const [key, record] of structuredClone(backup.records)) this.#records.set(key, record);
    this.#leaseKeys = new Map(backup.leaseKeys.map(([id, keys]) => [id, new Set(keys)]));
    for (const wake of [...this.#watchers]) wake();
  }

  read(key: string): Entry | undefined {
    const record = this.#records.get(key);
    if (!record) return undefined;
    return { key, value: JSON.parse(record.json), revision: record.revision, created: record.created };
  }

  list(prefix: string): Entry[] {
    return [...this.#records.keys(prefix)].sort().flatMap((key) => this.read(key) ?? []);
  }

  transact(compare: Compare[], operations: EncodedOperation[]): TransactionResult {
    if (!compare.every((each) => this.#holds(each))) return { succeeded: false, revision: this.#revision };
    for (const operation of operations) {
      if (operation.type === 'put' && operation.lease !== undefined && !this.#leaseKeys.has(operation.lease)) {
        throw new WeftError('store-conflict', `the lease of ${operation.key} has ended`);
      }
    }
    this.#commit(operations);
    return { succeeded: true, revision: this.#revision };
  }

  /** Every change of the prefix after `revision`, by transaction; undefined when that history was compacted or is too long. */
  since(revision: number, prefix: string): Commit[] | undefined {
    if (revision < this.#compacted) return undefined;
    const found: Commit[] = [];
    let count = 0;
    for (const commit of this.#history) {
      if (commit.revision <= revision) continue;
      const changes = commit.changes.filter((each) => keyOf(each).startsWith(prefix));
      count += changes.length;
      if (count > MAX_CHANGES) return undefined;
      if (changes.length > 0) found.push({ revision: commit.revision, changes: structuredClone(changes) });
    }
    return found;
  }

  /** Forgets all history up to now: a watch that has not seen it must begin anew. */
  compact(): void {
    this.#compacted = this.#revision;
    this.#history = [];
  }

  /** Calls back after each commit with what it changed, and after a restore without, until the returned function is called. */
  onCommit(wake: (commit?: Commit) => void): () => void {
    this.#watchers.add(wake);
    return () => this.#watchers.delete(wake);
  }

  grantLease(): string {
    const id = String(++this.#leases);
    this.#leaseKeys.set(id, new Set());
    return id;
  }

  /** Ends a lease and deletes its keys in one transaction. */
  endLease(id: string): void {
    const keys = this.#leaseKeys.get(id);
    if (!keys) return;
    this.#leaseKeys.delete(id);
    this.#commit([...keys].map((key) => ({ type: 'delete', key })));
  }

  #holds(compare: Compare): boolean {
    if ('emptyPrefix' in compare) return this.#records.keys(compare.emptyPrefix).next().done === true;
    return (this.#records.get(compare.key)?.revision ?? 0) === compare.revision;
  }

  /** A transaction that changes nothing leaves the revision as it is, as etcd does. */
  #commit(operations: EncodedOperation[]): void {
    const revision = this.#revision + 1;
    const changes: Change[] = [];
    for (const operation of operations) changes.push(...this.#apply(operation, revision));
    if (changes.length === 0) return;
    this.#revision = revision;
    const commit = { revision, changes };
    this.#history.push(commit);
    for (const wake of [...this.#watchers]) wake(commit);
  }

  #apply(operation: EncodedOperation, revision: number): Change[] {
    switch (operation.type) {
      case 'put': {
        this.#detachFromLease(operation.key);
        const created = this.#records.get(operation.key)?.created ?? revision;
        this.#records.set(operation.key, { json: operation.json, revision, created, lease: operation.lease });
        if (operation.lease !== undefined) this.#leaseKeys.get(operation.lease)?.add(operation.key);
        const entry = this.read(operation.key);
        return entry ? [{ type: 'put', entry }] : [];
      }
      case 'delete':
        return this.#remove(operation.key);
      case 'deletePrefix':
        return [...this.#records.keys(operation.prefix)].sort().flatMap((key) => this.#remove(key));
    }
  }

  #remove(key: string): Change[] {
    this.#detachFromLease(key);
    return this.#records.delete(key) ? [{ type: 'delete', key }] : [];
  }

  #detachFromLease(key: string): void {
    const lease = this.#records.get(key)?.lease;
    if (lease !== undefined) this.#leaseKeys.get(lease)?.delete(key);
  }
}

function keyOf(change: Change): string {
  return change.type === 'put' ? change.entry.key : change.key;
}
