/** What could not be applied, by scope: a tenant's id, or a part of the host. Says when to look again, and what to report. */
import type { Condition } from '../model/status.ts';
import { backoff } from './backoff.ts';

export interface Failure {
  object: string;
  message: string;
}

interface Trouble {
  attempts: number;
  /** by the loop's clock */
  next: number;
  since: string;
  failures: Failure[];
}

export class Troubles {
  readonly #clock: () => number;
  readonly #random: () => number;
  readonly #byScope = new Map<string, Trouble>();

  constructor(clock: () => number, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  /** `next`: when the failed objects themselves are due, else after a pause that grows. Returns the number of attempts. */
  note(scope: string, failures: Failure[], next?: number): number {
    const before = this.#byScope.get(scope);
    // The same due time again: nothing was tried since.
    const attempts = (before?.attempts ?? 0) + (next !== undefined && before?.next === next ? 0 : 1);
    this.#byScope.set(scope, {
      attempts,
      next: next ?? this.#clock() + backoff(attempts, this.#random),
      since: before?.since ?? new Date().toISOString(),
      failures,
    });
    return attempts;
  }

  clear(scope: string): void {
    this.#byScope.delete(scope);
  }

  get any(): boolean {
    return this.#byScope.size > 0;
  }

  scopes(): string[] {
    return [...this.#byScope.keys()];
  }

  first(scope: string): string | undefined {
    return this.#byScope.get(scope)?.failures[0]?.message;
  }

  attempts(scope: string): number {
    return this.#byScope.get(scope)?.attempts ?? 0;
  }

  due(now: number): string[] {
    return this.scopes().filter((scope) => this.nextOf(scope) <= now);
  }

  /** Infinity where there is no trouble. */
  nextOf(scope: string): number {
    return this.#byScope.get(scope)?.next ?? Infinity;
  }

  next(): number {
    return Math.min(Infinity, ...this.scopes().map((scope) => this.nextOf(scope)));
  }

  postpone(until: number): void {
    for (const trouble of this.#byScope.values()) trouble.next = until;
  }

  conditions(): Condition[] {
    return [...this.#byScope.values()].flatMap(({ failures, since }) =>
      failures.map(({ object, message }) => ({ type: 'not-applied', object, message, since })),
    );
  }
}
