import { WeftError } from '../model/errors.ts';
import type { WaitTarget } from './port.ts';

interface Waiter {
  target: WaitTarget;
  settle: (error?: Error) => void;
}

/** What a round planned from: the store's picture at a revision, with the journal up to a sequence over it. */
interface Reached {
  revision: number;
  sequence: number;
}

interface FailureSource {
  ofEndpoint(id: string): Error | undefined;
  /** what keeps the tenant as a whole from being applied */
  ofTenant(id: string): string | undefined;
}

/** Callers that wait until a tenant stands at a revision, and hear of their own endpoint's failure at once. */
export class Waiters {
  readonly #waiting = new Set<Waiter>();
  readonly #reached = new Map<string, Reached>();
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

  reached(tenant: string, at: Reached): void {
    this.#reached.set(tenant, { revision: at.revision, sequence: at.sequence });
    for (const waiter of [...this.#waiting]) this.#check(waiter);
  }

  #check(waiter: Waiter): void {
    const { endpoint, tenant, revision, sequence = 0 } = waiter.target;
    const reached = this.#reached.get(tenant);
    if (!reached || reached.revision < revision || reached.sequence < sequence) return;
    waiter.settle(endpoint === undefined ? undefined : this.#failures.ofEndpoint(endpoint));
  }
}
