/**
 * A lease with a clock of its own: it counts as lost a whole TTL after the last renewal that was answered was *sent*, which
 * is before etcd may end it, whatever became of the connection. (The etcd3 package's lease waits for twice the TTL.)
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ILeaseGrantResponse, ILeaseKeepAliveResponse } from 'etcd3';
import { WeftError, describeCause } from '../model/errors.ts';
import type { Connection } from './connection.ts';
import type { Log } from './log.ts';
import type { CallOptions, Lease } from './port.ts';

/** timers may fire late by this much on a busy host, in milliseconds */
const MARGIN = 100;
const RETRY = 300;

export class EtcdLease implements Lease {
  readonly id: string;
  readonly #connection: Connection;
  readonly #log: Log;
  readonly #ttl: number;
  readonly #lost = new AbortController();
  readonly #replaced: AbortSignal;
  #heldUntil = 0;
  #expiry: NodeJS.Timeout | undefined;

  /** `sentAt`: when the grant was sent, by the monotonic clock; `replaced`: a restored etcd knows nothing of the lease. */
  constructor(
    connection: Connection,
    grant: ILeaseGrantResponse,
    { sentAt, replaced }: { sentAt: number; replaced: AbortSignal },
    log: Log,
  ) {
    this.id = grant.ID;
    this.#connection = connection;
    this.#log = log;
    this.#replaced = replaced;
    this.#ttl = Number(grant.TTL) * 1_000;
    this.#renewed(sentAt);
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  held(): boolean {
    return this.left() > 0;
  }

  left(): number {
    return this.lost.aborted ? 0 : Math.max(0, this.#heldUntil - performance.now());
  }

  async revoke(options: CallOptions = {}): Promise<void> {
    this.#end('the lease was revoked');
    const request = { ID: this.id };
    try {
      await this.#connection.call(
        { service: 'Lease', method: 'leaseRevoke', request, what: 'revoke a lease', writes: true },
        options,
      );
    } catch (error) {
      // it is gone already
      if (!(error instanceof WeftError) || error.code !== 'store-conflict') throw error;
    }
  }

  /** Renews until the lease is revoked or lost, or the connection is closed. Never rejects. */
  async keepAlive(): Promise<void> {
    const ends = [this.#connection.closed, this.#replaced];
    const onEnd = (event: Event): void => this.#end(describeCause((event.target as AbortSignal).reason));
    for (const signal of ends) {
      if (signal.aborted) this.#end(describeCause(signal.reason));
      else signal.addEventListener('abort', onEnd);
    }
    let pause = this.#ttl / 3;
    while (await this.#rest(pause)) pause = (await this.#renew()) ? this.#ttl / 3 : RETRY;
    for (const signal of ends) signal.removeEventListener('abort', onEnd);
  }

  /** False once the lease is lost. */
  async #rest(milliseconds: number): Promise<boolean> {
    await sleep(milliseconds, undefined, { signal: this.lost, ref: false }).catch(() => undefined);
    return !this.lost.aborted;
  }

  /** One request and one answer on a stream of their own, so that each renewal goes to a member that answers. */
  async #renew(): Promise<boolean> {
    const sentAt = performance.now();
    try {
      const answer = await this.#askOnce(Math.max(500, this.#ttl / 3));
      if (Number(answer.TTL) <= 0) {
        this.#end('etcd has ended the lease');
        return false;
      }
      this.#renewed(sentAt);
      return true;
    } catch (error) {
      this.#log.debug({ lease: this.id, err: error }, 'a lease was not renewed');
      return false;
    }
  }

  async #askOnce(timeout: number): Promise<ILeaseKeepAliveResponse> {
    const { stream, passOver } = await this.#connection.openStream<object, ILeaseKeepAliveResponse>(
      'Lease',
      'leaseKeepAlive',
      timeout,
    );
    const cancel = (): void => stream.cancel();
    this.lost.addEventListener('abort', cancel, { once: true });
    try {
      return await new Promise((resolve, reject) => {
        stream.on('data', resolve);
        stream.on('error', reject);
        stream.on('end', () => reject(new Error('etcd ended the stream')));
        stream.write({ ID: this.id });
        stream.end();
      });
    } catch (error) {
      passOver();
      throw error;
    } finally {
      this.lost.removeEventListener('abort', cancel);
    }
  }

  #renewed(sentAt: number): void {
    clearTimeout(this.#expiry);
    this.#heldUntil = sentAt + this.#ttl - MARGIN;
    const left = this.#heldUntil - performance.now();
    this.#expiry = setTimeout(() => this.#end('the lease was not renewed in time'), Math.max(0, left));
    this.#expiry.unref();
  }

  #end(reason: string): void {
    clearTimeout(this.#expiry);
    if (!this.lost.aborted) this.#lost.abort(new WeftError('store-away', reason));
  }
}
