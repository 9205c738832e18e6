import type { Wake } from './port.ts';

/** What is dirty, gathered until a round takes it. A round looks at the host in any case. */
export interface Dirty {
  all: boolean;
  tenants: Set<string>;
}

export class Wakes {
  readonly #clock: () => number;
  #dirty: Dirty = { all: false, tenants: new Set() };
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
    this.#due = Math.min(this.#due, this.#clock() + delay);
    this.#notify?.();
  }

  get pending(): boolean {
    return this.#due !== Infinity;
  }

  take(): Dirty {
    const dirty = this.#dirty;
    this.#dirty = { all: false, tenants: new Set() };
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
