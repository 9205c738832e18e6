/**
 * The store's port of one daemon of the simulation: each call is a message to etcd and one back, either of which may be late
 * or lost, so that the outcome of a write may be unknown; a watch is told in order, and late.
 */
import { WeftError } from '../../src/model/errors.ts';
import { Lineage } from '../../src/store/lineage.ts';
import { silentLog } from '../../src/store/log.ts';
import type {
  CallOptions,
  Compare,
  Entry,
  Lease,
  LineageKeeper,
  Restoration,
  Store,
  StoreEvent,
  StoreState,
  Transaction,
  TransactionResult,
} from '../../src/store/port.ts';
import { StateCell } from '../../src/store/states.ts';
import { encodeTransaction } from '../../src/store/transaction.ts';
import type { SimClock } from './sim-clock.ts';
import type { SimEtcd, Writer } from './sim-etcd.ts';
import { ETCD } from './sim-network.ts';
import type { SimNetwork } from './sim-network.ts';

export interface SimStoreOptions {
  clock: SimClock;
  network: SimNetwork;
  etcd: SimEtcd;
  /** the process that asks: nothing reaches it once it has ended */
  process: AbortSignal;
  writer: Writer;
  keeper: LineageKeeper;
  /** what a planted bug leaves out of a transaction's compares */
  compares?: (compare: Compare[]) => Compare[];
}

const DEADLINE = 4_000;
/** milliseconds between the loss of a lease and the end of its keys */
const MARGIN = 100;

interface HeldLease {
  id: string;
  ttl: number;
  lost: AbortController;
  expiry: ReturnType<SimClock['schedule']> | undefined;
}

interface Stream {
  prefix: string;
  /** last revision told; undefined: a snapshot comes next */
  told: number | undefined;
  waiting: StoreEvent[];
  wake: (() => void) | undefined;
  pumping: boolean;
  over: boolean;
}

export class SimStore implements Store {
  readonly #options: SimStoreOptions;
  readonly #lineage: Lineage;
  readonly #states = new StateCell('ok');
  readonly #leases = new Set<HeldLease>();
  readonly #streams = new Set<Stream>();
  #closed = false;

  private constructor(options: SimStoreOptions) {
    this.#options = options;
    this.#lineage = new Lineage(options.keeper, silentLog);
  }

  static async open(options: SimStoreOptions): Promise<SimStore> {
    const store = new SimStore(options);
    await store.#lineage.load();
    store.#listen();
    return store;
  }

  get(key: string, options: CallOptions = {}): Promise<{ entry: Entry | undefined; revision: number }> {
    const { etcd } = this.#options;
    return this.#call(`read ${key}`, options, () => ({ entry: etcd.read(key), revision: etcd.revision }));
  }

  list(prefix: string, options: CallOptions = {}): Promise<{ entries: Entry[]; revision: number }> {
    const { etcd } = this.#options;
    return this.#call(`list ${prefix}`, options, () => ({ entries: etcd.list(prefix), revision: etcd.revision }));
  }

  transact(transaction: Transaction, options: CallOptions = {}): Promise<TransactionResult> {
    const { etcd, writer, compares } = this.#options;
    const operations = encodeTransaction(transaction);
    const compare = compares?.(transaction.compare) ?? transaction.compare;
    return this.#call('commit a transaction', options, () => etcd.transact(compare, operations, writer));
  }

  async *watch(prefix: string, signal: AbortSignal): AsyncGenerator<StoreEvent, void, undefined> {
    const stream: Stream = { prefix, told: undefined, waiting: [], wake: undefined, pumping: false, over: false };
    const onEnd = () => {
      stream.over = true;
      stream.wake?.();
    };
    signal.addEventListener('abort', onEnd, { once: true });
    this.#streams.add(stream);
    this.#pump(stream);
    for (;;) {
      while (stream.waiting.length === 0 && !stream.over) {
        await new Promise<void>((resolve) => {
          stream.wake = resolve;
        });
      }
      const event = stream.waiting.shift();
      if (stream.over || this.#closed || !event) break;
      yield event;
    }
    this.#streams.delete(stream);
  }

  async lease(ttlSeconds: number, options: CallOptions = {}): Promise<Lease> {
    const { etcd, clock } = this.#options;
    const asked = clock.now;
    const id = await this.#call('grant a lease', options, () => {
      const granted = etcd.grantLease(ttlSeconds);
      // Until its holder is heard from again.
      etcd.renewed(granted, false);
      return granted;
    });
    const held: HeldLease = { id, ttl: 1_000 * ttlSeconds, lost: new AbortController(), expiry: undefined };
    this.#leases.add(held);
    this.#renew(held, asked);
    const { replaced } = this.#lineage.question();
    replaced.addEventListener('abort', () => this.#drop(held, replaced.reason));
    const revoke = async (revokeOptions: CallOptions = {}): Promise<void> => {
      this.#drop(held, new WeftError('store-conflict', 'the lease was revoked'));
      await this.#call('revoke a lease', revokeOptions, () => etcd.endLease(id));
    };
    const left = () => (held.lost.signal.aborted ? 0 : held.ttl);
    return { id, lost: held.lost.signal, held: () => left() > 0, left, revoke };
  }

  state(): StoreState {
    return this.#connected() ? 'ok' : 'away';
  }

  states(signal: AbortSignal): AsyncIterable<StoreState> {
    return this.#states.changes(signal);
  }

  restored(): Restoration | undefined {
    return this.#lineage.restored;
  }

  acceptRestored(): Promise<void> {
    return this.#lineage.accept();
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const lease of [...this.#leases]) this.#drop(lease, new WeftError('store-away', 'the store is closed'));
    await this.#lineage.flush();
  }

  /** What it has seen of etcd's history, for a process to come. */
  keep(): Promise<void> {
    return this.#lineage.flush();
  }

  /** The wire to etcd was cut, or is whole again. */
  linkChanged(): void {
    for (const lease of this.#leases) this.#renew(lease, this.#options.clock.now);
    if (this.#connected()) for (const stream of this.#streams) this.#pump(stream);
  }

  /** The process is gone: nobody renews its leases. */
  ended(): void {
    for (const lease of this.#leases) this.#options.etcd.renewed(lease.id, false);
    this.#leases.clear();
    this.#streams.clear();
  }

  #listen(): void {
    const { etcd, process } = this.#options;
    const stops = [
      etcd.onCommit(() => {
        for (const stream of this.#streams) this.#pump(stream);
      }),
      etcd.onRestart(() => {
        for (const stream of this.#streams) {
          stream.told = undefined;
          this.#pump(stream);
        }
      }),
    ];
    process.addEventListener('abort', () => {
      for (const stop of stops) stop();
    });
  }

  /** As long as the wire is whole; else its time has run since `since`. */
  #renew(lease: HeldLease, since: number): void {
    const { clock, etcd, process } = this.#options;
    const connected = !process.aborted && this.#connected();
    const stands = etcd.renewed(lease.id, connected);
    if (!connected && lease.expiry) return;
    clock.cancel(lease.expiry);
    lease.expiry = undefined;
    if (connected && !stands) this.#drop(lease, new WeftError('store-away', 'the lease has run out'));
    if (connected) return;
    lease.expiry = clock.schedule(since + lease.ttl - MARGIN - clock.now, () =>
      this.#drop(lease, new WeftError('store-away', 'the lease ran out while the store was away')),
    );
  }

  #connected(): boolean {
    return this.#options.network.connected(this.#options.writer.host, ETCD);
  }

  #drop(lease: HeldLease, reason: unknown): void {
    this.#options.clock.cancel(lease.expiry);
    if (this.#leases.delete(lease)) this.#options.etcd.renewed(lease.id, false);
    lease.lost.abort(reason);
  }

  /** All commits so far go on their way, after those that went before. */
  #pump(stream: Stream): void {
    const { clock, network, etcd, process } = this.#options;
    if (stream.pumping || stream.over) return;
    stream.pumping = true;
    const { incarnation } = etcd;
    const question = this.#lineage.question();
    const snapshot = stream.told === undefined ? this.#snapshot(stream.prefix) : undefined;
    clock.schedule(network.delay(), () => {
      stream.pumping = false;
      if (process.aborted || stream.over) return;
      if (incarnation !== etcd.incarnation) return this.#pump(stream);
      if (!this.#connected()) return;
      const header = { cluster_id: etcd.state.clusterId, revision: String(snapshot?.revision ?? etcd.revision) };
      if (snapshot) this.#lineage.answered(question, header);
      else this.#lineage.told(question, header);
      this.#tell(stream, snapshot);
      if (stream.told !== etcd.revision) this.#pump(stream);
    });
  }

  #tell(stream: Stream, snapshot: StoreEvent | undefined): void {
    const event = snapshot ?? this.#changes(stream);
    if (!event) return;
    stream.told = event.revision;
    stream.waiting.push(event);
    stream.wake?.();
  }

  #changes(stream: Stream): StoreEvent | undefined {
    const { etcd } = this.#options;
    const commits = etcd.since(stream.told ?? 0);
    if (!commits) return this.#snapshot(stream.prefix);
    if (commits.length === 0) return undefined;
    const changes = [];
    for (const commit of commits) {
      for (const one of commit.changes)
        if ((one.type === 'put' ? one.entry.key : one.key).startsWith(stream.prefix)) changes.push(one);
    }
    return { kind: 'changes', revision: commits.at(-1)?.revision ?? 0, changes };
  }

  #snapshot(prefix: string): StoreEvent {
    const { etcd } = this.#options;
    return { kind: 'snapshot', revision: etcd.revision, entries: etcd.list(prefix) };
  }

  #call<T>(what: string, { deadline = DEADLINE, signal }: CallOptions, apply: () => T): Promise<T> {
    const { clock, network, etcd, process, writer } = this.#options;
    if (process.aborted) return new Promise(() => undefined);
    return new Promise<T>((resolve, reject) => {
      const away = () => new WeftError('store-away', `cannot ${what}: no answer from the store`);
      if (signal?.aborted) return reject(signal.reason as Error);
      if (this.#closed) return reject(away());
      const due = clock.schedule(deadline, () => settle(() => reject(away())));
      const onAbort = () => settle(() => reject(signal?.reason as Error));
      const settle = (how: () => void) => {
        clock.cancel(due);
        signal?.removeEventListener('abort', onAbort);
        // What a dead process waits for never comes.
        if (!process.aborted) how();
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      const question = this.#lineage.question();
      const { incarnation } = etcd;
      network.send(writer.host, ETCD, () => {
        if (incarnation !== etcd.incarnation) return;
        const answer = attempt(apply);
        const header = { cluster_id: etcd.state.clusterId, revision: String(etcd.revision) };
        network.send(ETCD, writer.host, () =>
          settle(() => {
            this.#lineage.answered(question, header);
            if ('failure' in answer) reject(answer.failure);
            else resolve(answer.value);
          }),
        );
      });
    });
  }
}

function attempt<T>(apply: () => T): { value: T } | { failure: Error } {
  try {
    return { value: apply() };
  } catch (error) {
    return { failure: error as Error };
  }
}
