/**
 * The address that carries the overlay, as it is now. What the kernel tells wakes a look; a look that finds another address,
 * or the like, is told to all who go by it, again and again until each has taken it. An address that is gone, or a choice
 * that only a person can make, is a condition, and what was in use stays in use.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import type { Underlay } from './kernel/underlay.ts';
import { toWeftError } from './model/errors.ts';
import type { WeftError } from './model/errors.ts';
import type { Condition } from './model/status.ts';

/** Whoever goes by it; called again with the same after a failure. */
export type UnderlayListener = (underlay: Underlay, signal: AbortSignal) => Promise<void>;

export interface UnderlayFollowerOptions {
  /** as it was found when weftd started */
  underlay: Underlay;
  /** `held`: the address in use */
  find: (held: string) => Promise<Underlay>;
  /** each says that a look is worth while; `current` names the interface in use */
  events: (current: () => string, signal: AbortSignal) => AsyncIterable<unknown>;
  now: () => Date;
  log: Logger;
}

/** An address is exchanged in several steps, which are over by then: milliseconds. */
const SETTLED = 100;
const RETRY = 1_000;
/** what no event told */
const RESYNC = 60_000;

export class UnderlayFollower {
  readonly #options: UnderlayFollowerOptions;
  readonly #listeners: UnderlayListener[] = [];
  #current: Underlay;
  #told: Underlay;
  #condition: Condition | undefined;
  /** the last change could not be told to all */
  #late = false;
  #wake = new AbortController();

  constructor(options: UnderlayFollowerOptions) {
    this.#options = options;
    this.#current = options.underlay;
    this.#told = options.underlay;
  }

  get current(): Underlay {
    return this.#current;
  }

  /** Told in the order in which they came. */
  onChange(listener: UnderlayListener): void {
    this.#listeners.push(listener);
  }

  conditions(): Condition[] {
    return this.#condition ? [this.#condition] : [];
  }

  /** Until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const listening = this.#listen(signal);
    while (!signal.aborted) {
      this.#wake = new AbortController();
      const woken = AbortSignal.any([this.#wake.signal, signal]);
      await this.#look();
      const pause = (await this.#tell(signal)) ? RESYNC : RETRY;
      await delay(pause, undefined, { signal: woken }).catch(() => delay(SETTLED));
    }
    await listening;
  }

  async #listen(signal: AbortSignal): Promise<void> {
    const { events, log } = this.#options;
    try {
      for await (const event of events(() => this.#current.interface, signal)) {
        log.trace({ event }, 'the addresses of this host may have changed');
        this.#wake.abort();
      }
    } catch (error) {
      log.error(
        { err: error },
        'a kernel monitor ended; changes of this host’s address are found by the periodic look',
      );
    }
  }

  async #look(): Promise<void> {
    const { find, log } = this.#options;
    try {
      const found = await find(this.#current.address);
      if (this.#condition) log.info({ address: found.address }, 'the overlay has its address');
      this.#condition = undefined;
      if (isDeepStrictEqual(found, this.#current)) return;
      log.warn({ from: this.#current, to: found }, 'the underlay of this host has changed');
      this.#current = found;
    } catch (error) {
      this.#lacks(toWeftError(error));
    }
  }

  #lacks({ code, message, next }: WeftError): void {
    const { now, log } = this.#options;
    const { address } = this.#current;
    const type = code === 'underlay-ambiguous' ? code : 'vtep-gone';
    const said = `${address} is gone from this host; ${message}; next: ${next}`;
    if (this.#condition?.message === said) return;
    log.warn({ code, reason: message }, 'this host has lost the address of its overlay');
    this.#condition = { type, object: address, message: said, since: now().toISOString() };
  }

  /** False when not all have taken it yet. */
  async #tell(signal: AbortSignal): Promise<boolean> {
    const underlay = this.#current;
    if (isDeepStrictEqual(underlay, this.#told)) return true;
    try {
      for (const listener of this.#listeners) await listener(underlay, signal);
    } catch (error) {
      const { code, message } = toWeftError(error);
      this.#options.log[this.#late ? 'debug' : 'warn']({ code, reason: message }, 'not all know the new underlay yet');
      this.#late = true;
      return false;
    }
    this.#late = false;
    this.#told = underlay;
    this.#options.log.info({ address: underlay.address }, 'all know the new underlay');
    return true;
  }
}
