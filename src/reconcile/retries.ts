/**
 * Operations that failed, each with the time of its next try. A failed try makes kernel events, as when a pair is made and
 * taken down again, and these wake the loop; without a pause of its own the operation would be tried in a circle, and with
 * one for the whole tenant the others could not be repaired meanwhile.
 */
import type { Operation } from '../plan/diff.ts';
import type { OperationFailure } from '../plan/kernel-port.ts';
import { isLink, keyOf, standsOn } from '../plan/objects.ts';
import { backoff } from './backoff.ts';

interface Failed {
  /** what was tried; a different wish is tried at once */
  wish: string;
  attempts: number;
  /** by the loop's clock */
  next: number;
  error: Error;
}

export interface Round {
  due: Operation[];
  /** not tried now: their time has not come, or that of the link they stand on */
  held: OperationFailure[];
}

export class Retries {
  readonly #random: () => number;
  readonly #failed = new Map<string, Map<string, Failed>>();

  constructor(random: () => number) {
    this.#random = random;
  }

  split(scope: string, operations: readonly Operation[], now: number): Round {
    const failed = this.#failed.get(scope);
    const heldLinks = new Map<string, Error>();
    const round: Round = { due: [], held: [] };
    for (const operation of operations) {
      const { object } = operation;
      const own = failed?.get(keyOf(object));
      const waits = own !== undefined && own.next > now && own.wish === wishOf(operation);
      const error = heldLinks.get(standsOn(object)) ?? (waits ? own.error : undefined);
      if (!error) round.due.push(operation);
      else {
        round.held.push({ operation, error });
        if (isLink(object)) heldLinks.set(object.name, error);
      }
    }
    return round;
  }

  /** What failed because its link did waits for that link alone. */
  record(scope: string, round: Round, outcome: { failures: readonly OperationFailure[]; now: number }): void {
    const before = this.#failed.get(scope);
    const links = new Set(outcome.failures.flatMap(({ operation: { object } }) => (isLink(object) ? object.name : [])));
    const after = new Map<string, Failed>();
    for (const { operation } of round.held) {
      const known = before?.get(keyOf(operation.object));
      if (known) after.set(keyOf(operation.object), known);
    }
    for (const { operation, error } of outcome.failures) {
      if (links.has(standsOn(operation.object))) continue;
      const key = keyOf(operation.object);
      const wish = wishOf(operation);
      const known = before?.get(key);
      const attempts = (known?.wish === wish ? known.attempts : 0) + 1;
      after.set(key, { wish, attempts, next: outcome.now + backoff(attempts, this.#random), error });
    }
    if (after.size > 0) this.#failed.set(scope, after);
    else this.#failed.delete(scope);
  }

  /** When the first of them is due. */
  next(scope: string): number | undefined {
    const failed = this.#failed.get(scope);
    return failed && Math.min(...[...failed.values()].map(({ next }) => next));
  }

  forget(scope: string): void {
    this.#failed.delete(scope);
  }
}

function wishOf({ type, object }: Operation): string {
  return `${type} ${JSON.stringify(object)}`;
}
