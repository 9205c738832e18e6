/** Waiting for one's turn, in a way that the caller can give up: what was given up there was never sent. */

/** At most `size` at once, the others in the order in which they came. */
export class Window {
  readonly #size: number;
  readonly #waiting: (() => void)[] = [];
  #inside = 0;

  constructor(size: number) {
    this.#size = size;
  }

  get empty(): boolean {
    return this.#inside === 0;
  }

  /** Takes a free place at once, without a turn of the microtask queue. */
  tryEnter(): boolean {
    if (this.#inside >= this.#size) return false;
    this.#inside++;
    return true;
  }

  /** Rejects with the signal's reason, and then holds no place. */
  async enter(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (this.tryEnter()) return;
    let admit: (() => void) | undefined;
    const admitted = new Promise<void>((resolve) => {
      admit = resolve;
      this.#waiting.push(resolve);
    });
    try {
      await unlessAborted(admitted, signal);
    } catch (error) {
      const place = this.#waiting.findIndex((waiting) => waiting === admit);
      if (place >= 0) this.#waiting.splice(place, 1);
      // Admitted in the same breath: the place goes to the next.
      else this.leave();
      throw error;
    }
  }

  /** Hands the place to the next, or frees it. */
  leave(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#inside--;
  }
}

/** The promise's result, or a rejection with the signal's reason, whichever comes first. */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return await promise;
  signal.throwIfAborted();
  const settled = new AbortController();
  const aborted = new Promise<never>((_, reject) => {
    const giveUp = () => {
      const { reason } = signal as { reason: unknown };
      reject(reason instanceof Error ? reason : new Error('given up', { cause: reason }));
    };
    signal.addEventListener('abort', giveUp, { once: true, signal: settled.signal });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    settled.abort();
  }
}
