import { WeftError } from '../model/errors.ts';
import type { WaitTarget } from './port.ts';

interface Waiter {
  target: WaitTarget;
  settle: (error?: Error) => void;
}

interface FailureSource {
  ofEndpoint(id: string): Error | undefined;
  /** what keeps the tenant as a whole from being applied */
  ofTenant(id: string): string | undefined;
}

/** Callers that wait until a tenant stands at a revision, and hear of their own endpoint's failure at once. */
export class Waiters {
  readonly #waiting = new Set<Waiter>();
  readonly #reached = new Map<string, number>();
  readonly #failures: FailureSource;

  constructor(failures: FailureSource) {
    this.#failures = failures;
  }

  wait(target: WaitTarget, options: { deadline: number; signal?: AbortSignal }): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const onAbort = () => waiter.settle(new WeftError('not-ready', 'the caller gave up'));
      const timer = setTimeout(() => {
        const object = target.endpoint ? `endpoint ${target.endpoint}` : `revision ${target.revision}`;
        const cause = this.#failures.ofTenant(target.tenant);
        const message = `${object} was not applied within ${options.deadline} ms`;
        waiter.settle(new WeftError('not-ready', message, { object, cause }));
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
    const { endpoint } = waiter.target;
    waiter.settle(endpoint === undefined ? undefined : this.#failures.ofEndpoint(endpoint));
  }
}
