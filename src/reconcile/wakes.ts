import type { Wake } from './port.ts';

/** What is dirty, gathered until a round takes it. A round looks at the host in any case. */
export interface Dirty {
  all: boolean;
  tenants: Set<string>;
  /** when the first of those was added that would not wait; undefined without one */
  since: number | undefined;
}

export class Wakes {
  readonly #clock: () => number;
  #dirty: Dirty = clean();
  /** when a round may take it; Infinity while nothing is dirty */
  #due = Infinity;
  #notify: (() => void) | undefined;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** `delay`: milliseconds that it may wait for others to be taken with it. */
  add(wake: Wake, delay = 0): void {
    if (wake.kind === 'all') this.#dirty.all = true;
    if (wake.kind === 'tenant') this.#dirty.tenants.add(wake.tenant);
    const now = this.#clock();
    if (delay === 0) this.#dirty.since ??= now;
    this.#due = Math.min(this.#due, now + delay);
    this.#notify?.();
  }

  get pending(): boolean {
    return this.#due !== Infinity;
  }

  take(): Dirty {
    const dirty = this.#dirty;
    this.#dirty = clean();
    this.#due = Infinity;
    return dirty;
  }

  /** Until a round is due, `deadline` ms have passed, or the signal. */
  async next(deadline: number, signal: AbortSignal): Promise<void> {
    const end = this.#clock() + deadline;
    for (;;) {
      const pause = Math.min(end, this.#due) - this.#clock();
      if (pause <= 0 || signal.aborted) return;
      await this.#changeWithin(pause, signal);
    }
  }

  #changeWithin(pause: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#notify = undefined;
        resolve();
      };
      // Rounded up: a timer that fires early would be set again for nothing.
      const timer = setTimeout(done, Math.ceil(pause));
      signal.addEventListener('abort', done, { once: true });
      this.#notify = done;
    });
  }
}

function clean(): Dirty {
  return { all: false, tenants: new Set(), since: undefined };
}
