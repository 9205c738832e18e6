/** The members of an etcd cluster as one: calls and streams go to a member that answers, and move when it does not. */
import { setMaxListeners } from 'node:events';
import type { ClientDuplexStream } from '@grpc/grpc-js';
import { HANDLER_DEADLINE } from '../model/limits.ts';
import { WeftError } from '../model/errors.ts';
import type { ChannelOptions, ServiceName, UnaryCall } from './channel.ts';
import { isUnavailable, neverSent, storeError } from './failure.ts';
import type { Log } from './log.ts';
import { Member } from './member.ts';
import type { CallOptions } from './port.ts';
import { StateCell } from './states.ts';

export interface Call extends UnaryCall {
  /** the end of "etcd cannot ..." */
  what: string;
  /** false: reading, so that it may be asked again of another member */
  writes: boolean;
}

export interface OpenStream<Request, Response> {
  stream: ClientDuplexStream<Request, Response>;
  /** aborted when the member behind it is judged dead */
  broken: AbortSignal;
}

export class Connection {
  readonly states = new StateCell('away');
  readonly #members: Member[];
  readonly #closed = new AbortController();
  #probing: Promise<unknown> = Promise.resolve();
  #preferred = 0;

  constructor(endpoints: string[], options: ChannelOptions, probeKey: Buffer, log: Log) {
    // every call under way listens to it
    setMaxListeners(0, this.#closed.signal);
    this.#members = endpoints.map((endpoint) => new Member(endpoint, options, probeKey, log));
  }

  /** Aborted by `close`. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** Ends after the first probe of each member; whether it was answered shows in the state. */
  async start(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.probe(this.closed)));
    this.#judge();
    this.#probing = Promise.all(this.#members.map((member) => member.watchOver(this.closed, () => this.#judge())));
  }

  async call<T>(call: Call, options: CallOptions = {}): Promise<T> {
    const deadline = options.deadline ?? HANDLER_DEADLINE;
    const deadlineAt = Date.now() + deadline;
    const signal = options.signal ? AbortSignal.any([options.signal, this.closed]) : this.closed;
    for (let attempt = 1; ; attempt++) {
      signal.throwIfAborted();
      const member = this.#choose();
      try {
        return await member.channel.unary<T>(call, deadlineAt, signal);
      } catch (error) {
        signal.throwIfAborted();
        const elsewhere = call.writes ? neverSent(error) : isUnavailable(error);
        if (!elsewhere || attempt >= this.#members.length) {
          throw storeError(error, { ...call, endpoint: member.endpoint, deadline });
        }
        this.#passOver(member);
      }
    }
  }

  async openStream<Request, Response>(
    service: ServiceName,
    method: string,
    deadlineAt?: number,
  ): Promise<OpenStream<Request, Response>> {
    this.closed.throwIfAborted();
    const member = this.#choose();
    return { stream: await member.channel.stream(service, method, deadlineAt), broken: member.broken };
  }

  async close(): Promise<void> {
    this.#closed.abort(new WeftError('store-away', 'the store is closed'));
    for (const member of this.#members) member.close();
    await this.#probing;
  }

  /** The preferred member while it answers, else the next that does; when none does, each in turn. */
  #choose(): Member {
    const count = this.#members.length;
    for (let step = 0; step < count; step++) {
      const at = (this.#preferred + step) % count;
      if (this.#members[at]?.alive) {
        this.#preferred = at;
        break;
      }
    }
    const member = this.#members[this.#preferred];
    if (!member) throw new WeftError('configuration-invalid', 'store.endpoints: no endpoint is given');
    return member;
  }

  #passOver(member: Member): void {
    this.#preferred = (this.#members.indexOf(member) + 1) % this.#members.length;
  }

  #judge(): void {
    const alive = this.#members.filter((member) => member.alive).length;
    this.states.set(alive === 0 ? 'away' : alive < this.#members.length ? 'degraded' : 'ok');
  }
}
