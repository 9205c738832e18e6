/**
 * Tells repair from change: an operation on an object that was applied before and is wanted unchanged undoes something
 * that happened behind weft's back.
 */
import type { Operation } from '../plan/diff.ts';
import { keyOf } from '../plan/objects.ts';
import type { KernelObject } from '../plan/objects.ts';

export class Repairs {
  readonly #applied = new Map<string, Map<string, string>>();
  readonly #byKind = new Map<string, number>();

  /** Repairs among the operations of a round on a namespace that was brought to a plan before. */
  find(namespace: string, operations: readonly Operation[]): Operation[] {
    const applied = this.#applied.get(namespace);
    if (!applied) return [];
    return operations.filter(({ type, object }) => {
      const before = applied.get(keyOf(object));
      // What is deleted now and was never asked for was added by others.
      return type === 'delete' ? before === undefined : before === JSON.stringify(object);
    });
  }

  count(kind: string): void {
    this.#byKind.set(kind, (this.#byKind.get(kind) ?? 0) + 1);
  }

  remember(namespace: string, objects: readonly KernelObject[]): void {
    this.#applied.set(namespace, new Map(objects.map((object) => [keyOf(object), JSON.stringify(object)])));
  }

  knows(namespace: string): boolean {
    return this.#applied.has(namespace);
  }

  forget(namespace: string): void {
    this.#applied.delete(namespace);
  }

  report(): { total: number; byKind: Record<string, number> } {
    const byKind = Object.fromEntries([...this.#byKind].sort());
    return { total: [...this.#byKind.values()].reduce((sum, count) => sum + count, 0), byKind };
  }
}
