/**
 * One address of an etcd member as this node sees it: a channel for calls and streams, another for the probe, and a verdict.
 *
 * A read a second with a deadline of 1.5 s tells dead and frozen from alive (keepalive alone cannot: etcd 3.4 throws off
 * clients that ping faster than every 5 s). The read is linearizable, so a member cut off from its majority is away too.
 */
import { setMaxListeners } from 'node:events';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { IRangeResponse } from 'etcd3';
import { Channel, type ChannelOptions } from './channel.ts';
import type { Lineage } from './lineage.ts';
import type { Log } from './log.ts';

const PROBE_INTERVAL = 1_000;
const PROBE_TIMEOUT = 1_500;
/** one late answer is no reason to break streams; two in a row are */
const MISSES_TO_BREAK = 2;

export interface MemberContext {
  probeKey: Buffer;
  lineage: Lineage;
  log: Log;
}

export class Member {
  readonly endpoint: string;
  readonly #options: ChannelOptions;
  readonly #context: MemberContext;
  readonly #closed = new AbortController();
  #calls: Channel;
  #probe: Channel;
  #alive = false;
  #misses = 0;
  #id: string | undefined;
  #broken = newBreak();

  constructor(endpoint: string, options: ChannelOptions, context: MemberContext) {
    this.endpoint = endpoint;
    this.#options = options;
    this.#context = context;
    this.#calls = new Channel(endpoint, options);
    this.#probe = new Channel(endpoint, options);
  }

  /** It answered the last probe. */
  get alive(): boolean {
    return this.#alive;
  }

  /** etcd's id of whoever answered last; undefined before the first answer. */
  get id(): string | undefined {
    return this.#id;
  }

  get channel(): Channel {
    return this.#calls;
  }

  /** Aborted when the member is judged dead: streams on it should be opened elsewhere, or anew. */
  get broken(): AbortSignal {
    return this.#broken.signal;
  }

  /** Probes until the signal is aborted or the member closed. */
  async watchOver(signal: AbortSignal, onVerdict: () => void): Promise<void> {
    const end = AbortSignal.any([signal, this.#closed.signal]);
    const ended = (): boolean => end.aborted;
    while (!ended()) {
      const begun = performance.now();
      await this.probe(end);
      if (!ended()) onVerdict();
      const rest = PROBE_INTERVAL - (performance.now() - begun);
      if (rest > 0) await sleep(rest, undefined, { signal: end, ref: false }).catch(() => undefined);
    }
  }

  async probe(signal: AbortSignal): Promise<void> {
    const { probeKey, lineage } = this.#context;
    const call = { service: 'KV', method: 'range', request: { key: probeKey, keys_only: true } } as const;
    const question = lineage.question();
    try {
      const { header } = await this.#probe.unary<IRangeResponse>(call, PROBE_TIMEOUT, [signal]);
      lineage.answered(question, header);
      this.#answered(header.member_id);
    } catch (error) {
      if (!signal.aborted) this.#missed(error);
    }
  }

  /** Ends its streams and reads, which then go elsewhere. */
  breakStreams(): void {
    this.#broken.abort(new Error(`etcd at ${this.endpoint} does not answer`));
    this.#broken = newBreak();
  }

  /** Streams and calls under way end on the connection they have. */
  renew(): void {
    this.#replaceCalls();
    this.#probe.close();
    this.#probe = new Channel(this.endpoint, this.#options);
  }

  close(): void {
    this.#closed.abort();
    this.#broken.abort(new Error(`etcd at ${this.endpoint} is not spoken to any more`));
    this.#calls.close();
    this.#probe.close();
  }

  #answered(id: string): void {
    if (this.#misses >= MISSES_TO_BREAK) {
      this.#replaceCalls();
      this.#context.log.info({ endpoint: this.endpoint }, 'etcd answers again');
    }
    this.#misses = 0;
    this.#alive = true;
    this.#id = id;
  }

  /** The next probe gets a new connection: one whose packets were lost for a while may take minutes to come back. */
  #missed(error: unknown): void {
    this.#alive = false;
    this.#misses += 1;
    this.#probe.close();
    this.#probe = new Channel(this.endpoint, this.#options);
    if (this.#misses !== MISSES_TO_BREAK) return;
    this.#context.log.warn({ endpoint: this.endpoint, err: error }, 'etcd does not answer');
    this.breakStreams();
    this.#replaceCalls();
  }

  #replaceCalls(): void {
    this.#calls.close();
    this.#calls = new Channel(this.endpoint, this.#options);
  }
}

/** Every read and stream under way listens to it. */
function newBreak(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}
