import type { Wake } from './port.ts';

/** What is dirty, gathered until a round takes it. */
export interface Dirty {
  all: boolean;
  tenants: Set<string>;
  reasons: string[];
}

const REASONS = 8;

export class Wakes {
  #dirty: Dirty = empty();
  #notify: (() => void) | undefined;

  add(wake: Wake): void {
    if (wake.kind === 'all') this.#dirty.all = true;
    else this.#dirty.tenants.add(wake.tenant);
    if (this.#dirty.reasons.length < REASONS) this.#dirty.reasons.push(wake.reason);
    this.#notify?.();
  }

  get pending(): boolean {
    return this.#dirty.all || this.#dirty.tenants.size > 0;
  }

  take(): Dirty {
    const dirty = this.#dirty;
    this.#dirty = empty();
    return dirty;
  }

  /** Until something is dirty, `deadline` ms have passed, or the signal. */
  async next(deadline: number, signal: AbortSignal): Promise<void> {
    if (this.pending || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#notify = undefined;
        resolve();
      };
      const timer = setTimeout(done, Math.max(0, deadline));
      signal.addEventListener('abort', done, { once: true });
      this.#notify = done;
    });
  }
}

function empty(): Dirty {
  return { all: false, tenants: new Set(), reasons: [] };
}
