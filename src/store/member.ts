/**
 * One etcd member as this node sees it: a channel for calls and streams, another for the probe, and a verdict.
 *
 * A read a second with a deadline of 1.5 s tells dead and frozen from alive (keepalive alone cannot: etcd 3.4 throws off
 * clients that ping faster than every 5 s). The read is linearizable, so a member cut off from its majority is away too.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Channel, type ChannelOptions } from './channel.ts';
import type { Log } from './log.ts';

const PROBE_INTERVAL = 1_000;
const PROBE_DEADLINE = 1_500;
/** one late answer is no reason to break streams; two in a row are */
const MISSES_TO_BREAK = 2;

export class Member {
  readonly endpoint: string;
  readonly #options: ChannelOptions;
  readonly #log: Log;
  readonly #probeKey: Buffer;
  #calls: Channel;
  #probe: Channel;
  #alive = false;
  #misses = 0;
  #broken = new AbortController();

  constructor(endpoint: string, options: ChannelOptions, probeKey: Buffer, log: Log) {
    this.endpoint = endpoint;
    this.#options = options;
    this.#probeKey = probeKey;
    this.#log = log;
    this.#calls = new Channel(endpoint, options);
    this.#probe = new Channel(endpoint, options);
  }

  /** It answered the last probe. */
  get alive(): boolean {
    return this.#alive;
  }

  get channel(): Channel {
    return this.#calls;
  }

  /** Aborted when the member is judged dead: streams on it should be opened elsewhere, or anew. */
  get broken(): AbortSignal {
    return this.#broken.signal;
  }

  /** Probes until the signal is aborted. */
  async watchOver(signal: AbortSignal, onVerdict: () => void): Promise<void> {
    while (!signal.aborted) {
      const begun = performance.now();
      await this.probe(signal);
      onVerdict();
      const rest = PROBE_INTERVAL - (performance.now() - begun);
      if (rest > 0) await sleep(rest, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  async probe(signal: AbortSignal): Promise<void> {
    const call = { service: 'KV', method: 'range', request: { key: this.#probeKey, keys_only: true } } as const;
    try {
      await this.#probe.unary(call, Date.now() + PROBE_DEADLINE, signal);
      this.#answered();
    } catch (error) {
      if (!signal.aborted) this.#missed(error);
    }
  }

  close(): void {
    this.#broken.abort(new Error('the store is closed'));
    this.#calls.close();
    this.#probe.close();
  }

  #answered(): void {
    if (this.#misses >= MISSES_TO_BREAK) {
      this.#replaceCalls();
      this.#log.info({ endpoint: this.endpoint }, 'etcd answers again');
    }
    this.#misses = 0;
    this.#alive = true;
  }

  /** The next probe gets a new connection: one whose packets were lost for a while may take minutes to come back. */
  #missed(error: unknown): void {
    this.#alive = false;
    this.#misses += 1;
    this.#probe.close();
    this.#probe = new Channel(this.endpoint, this.#options);
    if (this.#misses !== MISSES_TO_BREAK) return;
    this.#log.warn({ endpoint: this.endpoint, err: error }, 'etcd does not answer');
    this.#broken.abort(new Error(`etcd at ${this.endpoint} does not answer`));
    this.#broken = new AbortController();
    this.#replaceCalls();
  }

  #replaceCalls(): void {
    this.#calls.close();
    this.#calls = new Channel(this.endpoint, this.#options);
  }
}
