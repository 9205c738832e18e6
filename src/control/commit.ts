/**
 * Optimistic changes: decide from the node's picture of the cluster, write, decide again when somebody was faster. What this
 * node owns is written to its journal, where nobody can be faster; everything else by compare-and-swap to the store. A
 * refusal decided from an old picture is only final once the picture is as new as the store.
 */
import { WeftError, toWeftError } from '../model/errors.ts';
import { HANDLER_DEADLINE } from '../model/limits.ts';
import type { Timings } from '../model/timings.ts';
import type { CallOptions, Compare, Operation, Store } from '../store/port.ts';
import type { ClusterView } from './cluster-view.ts';
import { isOwn } from './ownership/keys.ts';
import { SpaceNeeded } from './ownership/need.ts';
import type { Need } from './ownership/need.ts';
import type { Ownership } from './ownership/ownership.ts';
import type { CallContext } from './port.ts';

/** Its operations are all of this node's own records, or none is. */
export interface Decision<T> {
  compare: Compare[];
  then: Operation[];
  result: T;
  /** it ends something: written even when the disk is full */
  release?: boolean;
}

export interface Committed<T> {
  result: T;
  /** the store's revision and the journal's sequence at which the result stands */
  revision: number;
  sequence: number;
}

export interface CommitDeps {
  store: Store;
  view: ClusterView;
  ownership: Ownership;
  timings?: Timings | undefined;
}

export const ATTEMPTS = 20;

type Options = CallOptions & { deadline: number };

/** `decide` is pure over the view and is called again after every lost race; empty `then` writes nothing. */
export async function commit<T>(
  deps: CommitDeps,
  decide: () => Decision<T>,
  context: CallContext = {},
): Promise<Committed<T>> {
  const end = performance.now() + HANDLER_DEADLINE;
  const options = (): Options => ({
    deadline: Math.max(1, end - performance.now()),
    ...(context.signal ? { signal: context.signal } : {}),
  });
  // Room that was made on a full disk counts at once.
  await deps.ownership.records.journal.regain();
  let synced = false;
  for (let attempt = 0; attempt < ATTEMPTS && performance.now() < end; attempt++) {
    context.signal?.throwIfAborted();
    let taken: Taken<T> | undefined;
    const now = () => {
      if (!deps.view.usable) throw new WeftError('store-away', 'the cluster has not been read yet');
      const began = performance.now();
      const decision = decide();
      if (decision.then.length > 0) deps.timings?.phase('decide', performance.now() - began);
      taken = { decision, appended: append(deps, decision) };
    };
    try {
      now();
    } catch (error) {
      if (error instanceof SpaceNeeded) {
        await deps.ownership.space.obtain(error.need, options(), () => needOf(now));
      } else {
        if (synced || toWeftError(error).code === 'internal') throw error;
        await deps.view.sync(options());
        synced = true;
      }
    }
    if (!taken) continue;
    const written = await write(deps, taken, options());
    if (written) return { ...written, result: taken.decision.result };
    await deps.view.sync(options());
    synced = true;
  }
  throw new WeftError('store-conflict', `others changed the same objects in each of ${ATTEMPTS} attempts`);
}

type Appended = ReturnType<Ownership['records']['append']>;

/** What was decided, and where it was appended in the same step when it is about this node's own records. */
interface Taken<T> {
  decision: Decision<T>;
  appended: Appended | undefined;
}

function append<T>({ ownership }: CommitDeps, { then, release }: Decision<T>): Appended | undefined {
  const own = then.filter(isOfThisNode).length;
  if (own === 0) return undefined;
  if (own < then.length)
    throw new WeftError('internal', 'a decision writes both what this node owns and what it does not');
  return ownership.records.append(then.map(plain), release ? 'release' : 'normal');
}

/** undefined when somebody was faster. */
async function write<T>(
  deps: CommitDeps,
  { decision: { compare, then }, appended }: Taken<T>,
  options: Options,
): Promise<{ revision: number; sequence: number } | undefined> {
  const { view, ownership, store } = deps;
  if (then.length === 0) return { revision: view.revision, sequence: ownership.records.sequence };
  if (appended) {
    const began = performance.now();
    await appended.durable;
    deps.timings?.phase('journal', performance.now() - began);
    return { revision: view.revision, sequence: appended.sequence };
  }
  if (ownership.isRecovering()) throw ownership.standing.refusal();
  const written = await store.transact({ compare: [...compare, ...ownership.standing.compare()], then }, options);
  if (!written.succeeded) {
    await ownership.assertStanding(options);
    return undefined;
  }
  // So that the caller's next call, on this host, sees what this one wrote.
  await view.reached(written.revision, options.deadline, options.signal);
  return { revision: written.revision, sequence: ownership.records.sequence };
}

function isOfThisNode(operation: Operation): boolean {
  if ('put' in operation) return isOwn(operation.put);
  return 'delete' in operation && isOwn(operation.delete);
}

/** What the work still lacks; undefined when it was done. */
function needOf(work: () => void): Need | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof SpaceNeeded) return error.need;
    throw error;
  }
}

function plain(operation: Operation): { put: string; value: unknown } | { delete: string } {
  if ('put' in operation) return { put: operation.put, value: operation.value };
  if ('delete' in operation) return operation;
  throw new WeftError('internal', 'a journal deletes no prefixes');
}
