import type { StoreState } from './port.ts';

/** The store's present state, with the changes of it for whoever asks. */
export class StateCell {
  #state: StoreState;
  readonly #listeners = new Set<(state: StoreState) => void>();

  constructor(initial: StoreState) {
    this.#state = initial;
  }

  get(): StoreState {
    return this.#state;
  }

  set(state: StoreState): void {
    if (state === this.#state) return;
    this.#state = state;
    for (const listener of [...this.#listeners]) listener(state);
  }

  /** Calls back after each change, until the returned function is called. */
  onChange(listener: (state: StoreState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The present state first, then each change. A reader too slow for the changes gets the newest ones. */
  async *changes(signal: AbortSignal): AsyncGenerator<StoreState, void, undefined> {
    const pending: StoreState[] = [this.#state];
    let wake: () => void = () => undefined;
    const stop = this.onChange((state) => {
      pending.push(state);
      if (pending.length > 16) pending.shift();
      wake();
    });
    const onAbort = (): void => wake();
    signal.addEventListener('abort', onAbort);
    try {
      while (!signal.aborted) {
        const state = pending.shift();
        if (state !== undefined) yield state;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      stop();
      signal.removeEventListener('abort', onAbort);
    }
  }
}
