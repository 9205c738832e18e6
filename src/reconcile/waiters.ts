import { WeftError } from '../model/errors.ts';
import type { WaitTarget } from './port.ts';

interface Waiter {
  target: WaitTarget;
  settle: (error?: Error) => void;
}

/** Callers that wait until a tenant stands at a revision, and hear of their own endpoint's failure at once. */
export class Waiters {
  readonly #waiting = new Set<Waiter>();
  readonly #reached = new Map<string, number>();
  readonly #failureOf: (endpoint: string) => Error | undefined;

  constructor(failureOf: (endpoint: string) => Error | undefined) {
    this.#failureOf = failureOf;
  }

  wait(target: WaitTarget, options: { deadline: number; signal?: AbortSignal }): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const onAbort = () => waiter.settle(new WeftError('not-ready', 'the caller gave up'));
      const timer = setTimeout(() => {
        const what = target.endpoint ? `endpoint ${target.endpoint}` : `revision ${target.revision}`;
        waiter.settle(
          new WeftError('not-ready', `${what} was not applied within ${options.deadline} ms`, { object: what }),
        );
      }, options.deadline);
      const waiter: Waiter = {
        target,
        settle: (error) => {
          clearTimeout(timer);
          options.signal?.removeEventListener('abort', onAbort);
          this.#waiting.delete(waiter);
          if (error) reject(error);
          else resolve();
        },
      };
      options.signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(waiter);
      if (options.signal?.aborted) onAbort();
      else this.#check(waiter);
    });
  }

  reached(tenant: string, revision: number): void {
    this.#reached.set(tenant, revision);
    for (const waiter of [...this.#waiting]) this.#check(waiter);
  }

  #check(waiter: Waiter): void {
    if ((this.#reached.get(waiter.target.tenant) ?? -1) < waiter.target.revision) return;
    waiter.settle(waiter.target.endpoint === undefined ? undefined : this.#failureOf(waiter.target.endpoint));
  }
}
