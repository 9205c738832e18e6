/** Wakes that come while nobody waits are kept as one. */
export class Wake {
  #pending = false;
  #resolve: (() => void) | undefined;

  wake(): void {
    this.#pending = true;
    this.#resolve?.();
  }

  /** Returns at the next wake, after `deadline` ms, or at the signal. */
  async wait(deadline: number, signal: AbortSignal): Promise<void> {
    if (!this.#pending && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          this.#resolve = undefined;
          resolve();
        };
        const timer = setTimeout(done, deadline);
        signal.addEventListener('abort', done, { once: true });
        this.#resolve = done;
      });
    }
    this.#pending = false;
  }
}
