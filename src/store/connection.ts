/** An etcd cluster as one: calls and streams go to a member that answers, and move when it does not. */
import { performance } from 'node:perf_hooks';
import type { ClientDuplexStream } from '@grpc/grpc-js';
import { HANDLER_DEADLINE } from '../model/limits.ts';
import { WeftError } from '../model/errors.ts';
import type { ServiceName, UnaryCall } from './channel.ts';
import { isCancelled, isUnavailable, neverSent, storeError } from './failure.ts';
import type { Header, Lineage } from './lineage.ts';
import { Members, type MembersOptions } from './members.ts';
import type { CallOptions } from './port.ts';
import type { StateCell } from './states.ts';

/** after every member was asked in vain */
const PAUSE = 100;

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
  /** the next stream or call goes to another member, if there is one */
  passOver: () => void;
}

export class Connection {
  readonly lineage: Lineage;
  readonly #members: Members;
  readonly #closed = new AbortController();
  #keeping: Promise<void> = Promise.resolve();

  constructor(options: MembersOptions) {
    this.lineage = options.lineage;
    this.#members = new Members(options, this.#closed.signal);
  }

  get states(): StateCell {
    return this.#members.states;
  }

  /** Aborted by `close`. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** Ends after the first probe of each endpoint; whether it was answered shows in the state. */
  async start(): Promise<void> {
    await this.lineage.load();
    await this.#members.start();
    this.#keeping = this.lineage.keep(this.closed);
  }

  /** Tries again elsewhere what was not carried out, until the deadline, as long as some member answers. */
  async call<T extends { header: Header }>(call: Call, options: CallOptions = {}): Promise<T> {
    const deadline = options.deadline ?? HANDLER_DEADLINE;
    const endAt = performance.now() + deadline;
    const signals = options.signal ? [options.signal, this.closed] : [this.closed];
    for (let attempt = 1; ; attempt++) {
      for (const signal of signals) signal.throwIfAborted();
      const member = this.#members.choose();
      const question = this.lineage.question();
      const left = Math.max(1, endAt - performance.now());
      try {
        // a read need not wait for a member that fell silent
        const until = call.writes ? signals : [...signals, member.broken];
        const answer = await member.channel.unary<T>(call, left, until);
        // the headers of other services tell the revision of one member, which may lag
        if (call.service === 'KV') this.lineage.answered(question, answer.header);
        return answer;
      } catch (error) {
        for (const signal of signals) signal.throwIfAborted();
        const isHarmless = call.writes ? neverSent(error) : isUnavailable(error) || isCancelled(error);
        if (isHarmless) this.#members.passOver(member);
        if (!isHarmless || !(await this.#mayRetry(attempt, endAt, signals))) {
          throw storeError(error, { ...call, endpoint: member.endpoint, deadline });
        }
      }
    }
  }

  async openStream<Request, Response>(
    service: ServiceName,
    method: string,
    timeout?: number,
  ): Promise<OpenStream<Request, Response>> {
    this.closed.throwIfAborted();
    const member = this.#members.choose();
    const stream = await member.channel.stream<Request, Response>(service, method, timeout);
    return { stream, broken: member.broken, passOver: () => this.#members.passOver(member) };
  }

  reachAt(endpoints: readonly string[]): void {
    this.#members.reachAt(endpoints);
  }

  renew(): void {
    this.#members.renew();
  }

  async close(): Promise<void> {
    this.#closed.abort(new WeftError('store-away', 'the store is closed'));
    await this.#members.close();
    await this.#keeping;
  }

  async #mayRetry(attempt: number, endAt: number, signals: AbortSignal[]): Promise<boolean> {
    const left = endAt - performance.now();
    if (attempt % this.#members.count !== 0) return left > 0;
    if (this.states.get() === 'away' || left <= PAUSE) return false;
    await pause(PAUSE, signals);
    return true;
  }
}

/** Ends early when one of the signals is aborted. */
async function pause(milliseconds: number, signals: AbortSignal[]): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      for (const signal of signals) signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    for (const signal of signals) signal.addEventListener('abort', done, { once: true });
  });
}
