/**
 * Work on one key goes one after the other on this host, so that compare-and-swap is lost to other hosts only: a
 * hundred attaches to one network at once would otherwise all choose the same address and try again.
 */
export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  busy(key: string): boolean {
    return this.#last.has(key);
  }

  /** Runs `work` after all earlier work on `key` has ended, however it ended. */
  async take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const result = before.then(work);
    const ended = result.then(
      () => undefined,
      () => undefined,
    );
    this.#last.set(key, ended);
    try {
      return await result;
    } finally {
      if (this.#last.get(key) === ended) this.#last.delete(key);
    }
  }
}
