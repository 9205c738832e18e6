/** What was told and not read yet, for one reader. */
export class Mailbox<T> {
  #waiting: T[] = [];
  #wake: (() => void) | undefined;

  get waiting(): readonly T[] {
    return this.#waiting;
  }

  post(one: T): void {
    this.#waiting.push(one);
    this.#wake?.();
  }

  /** Ends with the signal. */
  async *read(signal: AbortSignal): AsyncIterable<T> {
    const wake = () => this.#wake?.();
    signal.addEventListener('abort', wake);
    try {
      for (;;) {
        yield* this.#waiting.splice(0);
        if (signal.aborted) return;
        if (this.#waiting.length > 0) continue;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      }
    } finally {
      signal.removeEventListener('abort', wake);
    }
  }
}
