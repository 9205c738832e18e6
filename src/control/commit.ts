/**
 * Optimistic changes: decide from the node's picture of the cluster, write by compare-and-swap, decide again when
 * somebody was faster. A refusal decided from an old picture is only final once the picture is as new as the store.
 */
import { WeftError, toWeftError } from '../model/errors.ts';
import { HANDLER_DEADLINE } from '../model/limits.ts';
import type { Compare, Operation, Store } from '../store/port.ts';
import type { ClusterView } from './cluster-view.ts';
import type { CallContext } from './port.ts';

export interface Decision<T> {
  compare: Compare[];
  then: Operation[];
  result: T;
}

export interface Committed<T> {
  result: T;
  /** the revision at which the result stands */
  revision: number;
}

export const ATTEMPTS = 20;

/** `decide` is pure over the view and is called again after every lost race; empty `then` writes nothing. */
export async function commit<T>(
  deps: { store: Store; view: ClusterView },
  decide: () => Decision<T>,
  context: CallContext = {},
): Promise<Committed<T>> {
  const end = performance.now() + HANDLER_DEADLINE;
  const options = () => ({
    deadline: Math.max(1, end - performance.now()),
    ...(context.signal ? { signal: context.signal } : {}),
  });
  let synced = false;
  for (let attempt = 0; attempt < ATTEMPTS && performance.now() < end; attempt++) {
    context.signal?.throwIfAborted();
    let decision: Decision<T>;
    try {
      if (!deps.view.complete) throw new WeftError('store-away', 'the cluster has not been read yet');
      decision = decide();
    } catch (error) {
      if (synced || toWeftError(error).code === 'internal') throw error;
      await deps.view.sync(options());
      synced = true;
      continue;
    }
    if (decision.then.length === 0) return { result: decision.result, revision: deps.view.revision };
    const written = await deps.store.transact({ compare: decision.compare, then: decision.then }, options());
    if (written.succeeded) {
      // So that the caller's next call, on this host, sees what this one wrote.
      await deps.view.reached(written.revision, options().deadline, context.signal);
      return { result: decision.result, revision: written.revision };
    }
    await deps.view.sync(options());
    synced = true;
  }
  throw new WeftError('store-conflict', `others changed the same objects in each of ${ATTEMPTS} attempts`);
}
