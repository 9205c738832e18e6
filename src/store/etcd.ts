/** The store over etcd 3.4 and newer. What it speaks is in channel.ts, whom it speaks to in connection.ts. */
import { performance } from 'node:perf_hooks';
import type { ILeaseGrantResponse, IRangeResponse, ITxnResponse } from 'etcd3';
import { WeftError } from '../model/errors.ts';
import type { TlsFiles } from './channel.ts';
import { Codec } from './codec.ts';
import { Connection } from './connection.ts';
import { EtcdLease } from './lease.ts';
import { Lineage } from './lineage.ts';
import { silentLog, type Log } from './log.ts';
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
import { readSnapshot } from './snapshot.ts';
import { encodeTransaction, type EncodedOperation } from './transaction.ts';
import { watchPrefix } from './watch.ts';

/** An external etcd 3.4 throws off clients that ping faster than every 5 s. */
const EXTERNAL_KEEPALIVE = 6_000;

export interface EtcdStoreOptions {
  /** "https://192.0.2.1:2379"; http only in tests */
  endpoints: string[];
  /** a function is asked again for every new connection, and all are made anew by `renew` */
  tls?: TlsFiles | (() => TlsFiles);
  /** ends in "/" */
  prefix?: string;
  /** milliseconds between pings of a connection that has streams; lower only where etcd was told to allow it */
  keepaliveMs?: number;
  /** remembers how far the history of etcd had come, so that a restored one is recognised after a restart too */
  keeper?: LineageKeeper;
  log?: Log;
}

export interface RemoteStore extends Store {
  /** New calls go over connections made with the certificate as it is now; what is under way ends on the old ones. */
  renew(): void;
  /**
   * "https://192.0.2.9:2379": other nodes say that etcd is there, which replaces what they said before. It is looked for
   * there when it answers nowhere else. Of 16 at most those count that are `https` and not loopback.
   */
  reachAt(endpoints: readonly string[]): void;
}

/** Resolves after the first probe, answered or not (1.5 s at most): etcd need not be up, `state()` tells. */
export async function openEtcdStore(options: EtcdStoreOptions): Promise<RemoteStore> {
  const { tls } = options;
  if (options.endpoints.length === 0) {
    throw new WeftError('configuration-invalid', 'store.endpoints: no endpoint is given');
  }
  const log = options.log ?? silentLog;
  const codec = new Codec(options.prefix ?? '/weft/v1/', log);
  const connection = new Connection({
    seeds: options.endpoints,
    channel: { tls: typeof tls === 'object' ? () => tls : tls, keepaliveMs: options.keepaliveMs ?? EXTERNAL_KEEPALIVE },
    probeKey: codec.key('cluster/settings'),
    lineage: new Lineage(options.keeper, log),
    log,
  });
  await connection.start();
  return new EtcdStore(connection, codec, log);
}

class EtcdStore implements RemoteStore {
  readonly #connection: Connection;
  readonly #codec: Codec;
  readonly #log: Log;
  readonly #renewals = new Set<Promise<void>>();

  constructor(connection: Connection, codec: Codec, log: Log) {
    this.#connection = connection;
    this.#codec = codec;
    this.#log = log;
  }

  async get(key: string, options?: CallOptions): Promise<{ entry: Entry | undefined; revision: number }> {
    const request = { key: this.#codec.key(key) };
    const call = { service: 'KV', method: 'range', request, what: `read ${key}`, writes: false } as const;
    const { header, kvs } = await this.#connection.call<IRangeResponse>(call, options);
    const [kv] = kvs;
    const entry = kv && this.#codec.entry(kv);
    // absence would be a lie that a create could act on
    if (kv && !entry) throw new WeftError('internal', `the value of ${key} in etcd is not JSON`, { object: key });
    return { entry, revision: Number(header.revision) };
  }

  async list(prefix: string, options?: CallOptions): Promise<{ entries: Entry[]; revision: number }> {
    const { entries, position } = await readSnapshot(this.#connection, this.#codec, prefix, options);
    return { entries, revision: position.revision };
  }

  async transact(transaction: Transaction, options?: CallOptions): Promise<TransactionResult> {
    const operations = encodeTransaction(transaction);
    const request = {
      compare: transaction.compare.map((each) => this.#codec.compare(each)),
      success: operations.map((each) => this.#codec.operation(each)),
    };
    const call = { service: 'KV', method: 'txn', request, what: describe(operations), writes: true } as const;
    const { header, succeeded } = await this.#connection.call<ITxnResponse>(call, options);
    return { succeeded, revision: Number(header.revision) };
  }

  watch(prefix: string, signal: AbortSignal): AsyncIterable<StoreEvent> {
    return watchPrefix({ connection: this.#connection, codec: this.#codec, log: this.#log }, prefix, signal);
  }

  async lease(ttlSeconds: number, options?: CallOptions): Promise<Lease> {
    const sentAt = performance.now();
    const { replaced } = this.#connection.lineage.question();
    const request = { TTL: ttlSeconds };
    const call = { service: 'Lease', method: 'leaseGrant', request, what: 'grant a lease', writes: true } as const;
    const grant = await this.#connection.call<ILeaseGrantResponse>(call, options);
    const lease = new EtcdLease(this.#connection, grant, { sentAt, replaced }, this.#log);
    const renewal = lease.keepAlive().finally(() => this.#renewals.delete(renewal));
    this.#renewals.add(renewal);
    return lease;
  }

  state(): StoreState {
    return this.#connection.states.get();
  }

  states(signal: AbortSignal): AsyncIterable<StoreState> {
    return this.#connection.states.changes(AbortSignal.any([signal, this.#connection.closed]));
  }

  restored(): Restoration | undefined {
    return this.#connection.lineage.restored;
  }

  acceptRestored(): Promise<void> {
    return this.#connection.lineage.accept();
  }

  renew(): void {
    this.#connection.renew();
  }

  reachAt(endpoints: readonly string[]): void {
    this.#connection.reachAt(endpoints);
  }

  async close(): Promise<void> {
    await this.#connection.close();
    await Promise.all(this.#renewals);
  }
}

/** For errors: the first key says which transaction it was. */
function describe(operations: EncodedOperation[]): string {
  const [first] = operations;
  if (!first) return 'check a condition';
  const key = first.type === 'deletePrefix' ? first.prefix : first.key;
  return operations.length === 1 ? `write ${key}` : `write ${key} and ${operations.length - 1} more in one transaction`;
}
