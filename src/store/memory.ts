/**
 * A store in memory for tests, held to the same contract as etcd's. Several stores over one MemoryState are the nodes
 * of a cluster; `setAway` cuts one of them off.
 */
import { performance } from 'node:perf_hooks';
import { WeftError } from '../model/errors.ts';
import { Lineage } from './lineage.ts';
import { silentLog } from './log.ts';
import { MemoryState } from './memory-state.ts';
import type {
  CallOptions,
  Entry,
  Lease,
  LineageKeeper,
  Restoration,
  Store,
  StoreEvent,
  StoreState,
  Transaction,
  TransactionResult,
} from './port.ts';
import { StateCell } from './states.ts';
import { encodeTransaction } from './transaction.ts';

/** milliseconds between the loss of a lease and the end of its keys */
const MARGIN = 100;

interface HeldLease {
  id: string;
  ttlSeconds: number;
  lost: AbortController;
  /** by the monotonic clock; Infinity while the store is there */
  heldUntil: number;
  expiry: NodeJS.Timeout | undefined;
}

export class MemoryStore implements Store {
  readonly #shared: MemoryState;
  readonly #lineage: Lineage;
  readonly #states = new StateCell('ok');
  readonly #leases = new Set<HeldLease>();
  readonly #closed = new AbortController();

  constructor(shared: MemoryState = new MemoryState(), keeper?: LineageKeeper) {
    this.#shared = shared;
    this.#lineage = new Lineage(keeper, silentLog);
  }

  /** Takes up what its keeper knows. */
  static async open(shared: MemoryState, keeper: LineageKeeper): Promise<MemoryStore> {
    const store = new MemoryStore(shared, keeper);
    await store.#lineage.load();
    store.#look();
    return store;
  }

  /** Away: every call fails, watches wait, and leases run out after their time. */
  setAway(away: boolean): void {
    this.#states.set(away ? 'away' : 'ok');
    for (const lease of this.#leases) {
      clearTimeout(lease.expiry);
      const left = away ? lease.ttlSeconds * 1_000 - MARGIN : Infinity;
      lease.heldUntil = performance.now() + left;
      lease.expiry = away ? setTimeout(() => this.#expire(lease), left) : undefined;
    }
  }

  /** Forgets history, as etcd's compaction does. */
  compact(): void {
    this.#shared.compact();
  }

  async get(key: string, options: CallOptions = {}): Promise<{ entry: Entry | undefined; revision: number }> {
    await this.#reach(`read ${key}`, options);
    return { entry: this.#shared.read(key), revision: this.#shared.revision };
  }

  async list(prefix: string, options: CallOptions = {}): Promise<{ entries: Entry[]; revision: number }> {
    await this.#reach(`list ${prefix}`, options);
    return { entries: this.#shared.list(prefix), revision: this.#shared.revision };
  }

  async transact(transaction: Transaction, options: CallOptions = {}): Promise<TransactionResult> {
    const operations = encodeTransaction(transaction);
    await this.#reach('commit a transaction', options);
    const result = this.#shared.transact(transaction.compare, operations);
    this.#look();
    return result;
  }

  async *watch(prefix: string, signal: AbortSignal): AsyncGenerator<StoreEvent, void, undefined> {
    const end = AbortSignal.any([signal, this.#closed.signal]);
    let seen: { revision: number; replaced: AbortSignal } | undefined;
    while (!end.aborted) {
      if (this.#states.get() !== 'away') this.#look();
      if (seen?.replaced.aborted) seen = undefined;
      const event = this.#states.get() === 'away' ? undefined : this.#next(prefix, seen?.revision);
      if (!event) {
        await this.#stir(end);
        continue;
      }
      seen = { revision: event.revision, replaced: this.#lineage.question().replaced };
      yield event;
    }
  }

  async lease(ttlSeconds: number, options: CallOptions = {}): Promise<Lease> {
    await this.#reach('grant a lease', options);
    const held: HeldLease = {
      id: this.#shared.grantLease(),
      ttlSeconds,
      lost: new AbortController(),
      heldUntil: Infinity,
      expiry: undefined,
    };
    this.#leases.add(held);
    const { replaced } = this.#lineage.question();
    replaced.addEventListener('abort', () => this.#drop(held, replaced.reason));
    const revoke = async (revokeOptions: CallOptions = {}): Promise<void> => {
      this.#drop(held, new WeftError('store-conflict', 'the lease was revoked'));
      await this.#reach('revoke a lease', revokeOptions);
      this.#shared.endLease(held.id);
    };
    const left = (): number => {
      if (held.lost.signal.aborted) return 0;
      return Math.max(0, Math.min(held.heldUntil - performance.now(), ttlSeconds * 1_000));
    };
    return { id: held.id, lost: held.lost.signal, held: () => left() > 0, left, revoke };
  }

  state(): StoreState {
    return this.#states.get();
  }

  states(signal: AbortSignal): AsyncIterable<StoreState> {
    return this.#states.changes(AbortSignal.any([signal, this.#closed.signal]));
  }

  restored(): Restoration | undefined {
    return this.#lineage.restored;
  }

  acceptRestored(): Promise<void> {
    return this.#lineage.accept();
  }

  async close(): Promise<void> {
    this.#closed.abort(new WeftError('store-away', 'the store is closed'));
    for (const lease of [...this.#leases]) this.#drop(lease, this.#closed.signal.reason);
    await this.#lineage.flush();
  }

  #look(): void {
    const { clusterId, revision } = this.#shared;
    this.#lineage.answered(this.#lineage.question(), { cluster_id: clusterId, revision: String(revision) });
  }

  #drop(lease: HeldLease, reason: unknown): void {
    clearTimeout(lease.expiry);
    this.#leases.delete(lease);
    lease.lost.abort(reason);
  }

  #next(prefix: string, seen: number | undefined): StoreEvent | undefined {
    const commits = seen === undefined ? undefined : this.#shared.since(seen, prefix);
    if (!commits) return { kind: 'snapshot', revision: this.#shared.revision, entries: this.#shared.list(prefix) };
    const last = commits.at(-1);
    if (!last) return undefined;
    return { kind: 'changes', revision: last.revision, changes: commits.flatMap((commit) => commit.changes) };
  }

  /** Waits for a commit, a change of state or the end; listens from the moment it is called. */
  async #stir(end: AbortSignal): Promise<void> {
    if (end.aborted) return;
    const stops: (() => void)[] = [];
    await new Promise<void>((resolve) => {
      stops.push(
        this.#shared.onCommit(() => resolve()),
        this.#states.onChange(() => resolve()),
      );
      const onEnd = (): void => resolve();
      end.addEventListener('abort', onEnd);
      stops.push(() => end.removeEventListener('abort', onEnd));
    });
    for (const stop of stops) stop();
  }

  /** Its holder hears of it before others see the keys vanish. */
  #expire(lease: HeldLease): void {
    this.#drop(lease, new WeftError('store-away', 'the lease ran out while the store was away'));
    setTimeout(() => this.#shared.endLease(lease.id), MARGIN);
  }

  /** One turn of the event loop, as any real store costs at least. */
  async #reach(what: string, options: CallOptions): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    options.signal?.throwIfAborted();
    if (this.#closed.signal.aborted) throw new WeftError('store-away', `cannot ${what}: the store is closed`);
    if (this.#states.get() === 'away') throw new WeftError('store-away', `cannot ${what}: the store is away`);
    this.#look();
  }
}
