/**
 * Keeps on disk what the store said last, for a start while it is away. What changes is written a moment later, all changes of
 * that moment together; what others' endpoints do in a large cluster less often, so that writing does not fill the time. All of
 * it at once when the store goes away: nothing follows that could be written together.
 */
import type { Logger } from 'pino';
import { describeCause } from '../../model/errors.ts';
import { prefixes } from '../../model/keys.ts';
import type { PictureKeeper } from '../../store/picture/port.ts';
import type { Store } from '../../store/port.ts';
import type { ClusterView } from '../cluster-view.ts';

export interface PictureWriterOptions {
  view: ClusterView;
  store: Pick<Store, 'states'>;
  keeper: PictureKeeper;
  node: string;
  /** id */
  cluster: string;
  now: () => Date;
  log: Logger;
  /** milliseconds from a change to its writing */
  pause?: number;
}

/** What this time lost, this host knows less than its kernel if both ended in it; a shorter one costs the disk more. */
const PAUSE = 500;
/** between two writings: so many times what the last one took, but not for what this node's own endpoints stand on */
const SHARE = 20;
const LONGEST = 5_000;
const URGENT = [prefixes.tenants, prefixes.networks, prefixes.nodes, prefixes.bindings, prefixes.allPools];
/** after one that failed, in milliseconds */
const RETRY = 10_000;
/** What nobody needs while the store is away, since joining needs the store, and what is secret. */
const LEFT_OUT = [prefixes.tokens];

export class PictureWriter {
  readonly #options: PictureWriterOptions;
  #wake: () => void = () => undefined;
  #dirty = false;
  #urgent = false;
  #away = false;
  #failing = false;
  /** revision */
  #written = 0;

  constructor(options: PictureWriterOptions) {
    this.#options = options;
    const { view } = options;
    view.onChange(({ keys, revision }) => {
      // Hints and this node's own records come with the revision that is known.
      if (!view.complete || revision === this.#written) return;
      this.#dirty = true;
      this.#urgent ||= !keys || keys.some((key) => URGENT.some((prefix) => key.startsWith(prefix)));
      this.#wake();
    });
  }

  /** Until the signal, and a last time then. Never rejects: a picture that cannot be kept is missed at a later start only. */
  async run(signal: AbortSignal): Promise<void> {
    const { pause = PAUSE } = this.#options;
    const following = this.#followStore(signal);
    while (!signal.aborted) {
      await this.#until(() => this.#dirty, Infinity, signal);
      await this.#until(() => this.#away, pause, signal);
      const began = performance.now();
      if (this.#dirty) await this.#write();
      const rest = Math.min(SHARE * (performance.now() - began), LONGEST);
      await this.#until(() => this.#urgent, this.#failing ? RETRY : rest, signal);
    }
    await following;
    if (this.#dirty) await this.#write();
  }

  async #followStore(signal: AbortSignal): Promise<void> {
    for await (const state of this.#options.store.states(signal)) {
      this.#away = state === 'away';
      this.#urgent ||= this.#away;
      this.#wake();
    }
  }

  async #write(): Promise<void> {
    const { view, keeper, node, cluster, now, log } = this.#options;
    this.#dirty = this.#urgent = false;
    const { revision, entries } = view.toKeep();
    const kept = entries.filter(({ key }) => !LEFT_OUT.some((prefix) => key.startsWith(prefix)));
    try {
      await keeper.save({ node, cluster, revision, takenAt: now().toISOString(), entries: kept });
      this.#written = revision;
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) log.warn({ reason: describeCause(error) }, 'the picture of the cluster cannot be kept');
      this.#failing = this.#dirty = true;
    }
  }

  /** Or until the time in milliseconds is over, or the signal. */
  #until(condition: () => boolean, time: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#wake = () => undefined;
        resolve();
      };
      const timer = time === Infinity ? undefined : setTimeout(done, time);
      this.#wake = () => {
        if (condition()) done();
      };
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted || condition()) done();
    });
  }
}
