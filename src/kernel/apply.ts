/** Doing what a diff asks in a tenant's namespace: step after step, and within a step all at once where nothing hinders it. */
import { NetlinkError, OutcomeUnknownError } from 'netlink-ts';
import { describeCause, WeftError } from '../model/errors.ts';
import type { Operation } from '../plan/diff.ts';
import type { OperationFailure } from '../plan/kernel-port.ts';
import { isLink, keyOf, standsOn } from '../plan/objects.ts';
import { announce } from './announce.ts';
import { deleteEntry, deleteRule, putEntry, putRule, putSetting } from './entries.ts';
import { createLink, indexOf, settle } from './links.ts';
import type { LinkContext } from './links.ts';
import { removeLinks } from './remove-links.ts';

/** In order; what depends on a failed link is left out and reported with it. */
export async function applyOperations(context: LinkContext, operations: Operation[]): Promise<OperationFailure[]> {
  const failures: OperationFailure[] = [];
  const broken = new Map<string, Error>();
  const indices = new Indices(context);
  for (const step of stepsOf(operations)) {
    const errors = await performStep(context, { step, indices, broken });
    for (const [i, operation] of step.entries()) {
      const error = errors[i];
      if (!error) continue;
      failures.push({ operation, error });
      if (isLink(operation.object)) broken.set(operation.object.name, error);
    }
  }
  return failures;
}

/** Neighbouring operations that neither need nor hinder each other; all others alone. */
function stepsOf(operations: readonly Operation[]): Operation[][] {
  const steps: Operation[][] = [];
  let before = '';
  for (const operation of operations) {
    const kind = companyOf(operation);
    const last = steps.at(-1);
    if (last && kind !== '' && kind === before) last.push(operation);
    else steps.push([operation]);
    before = kind;
  }
  return steps;
}

/** Operations of one company go together; '' has none. */
function companyOf({ type, object }: Operation): string {
  if (isLink(object)) return type === 'delete' ? 'delete link' : '';
  // A setting may be what the next one is made of, and of routes one may be the way to the next one's gateway.
  if (object.kind === 'sysctl' || object.kind === 'route') return '';
  return `${type === 'delete' ? 'delete' : 'put'} ${object.kind}`;
}

interface Step {
  step: Operation[];
  indices: Indices;
  broken: ReadonlyMap<string, Error>;
}

/** The error of each operation that has one. */
async function performStep(context: LinkContext, { step, indices, broken }: Step): Promise<(Error | undefined)[]> {
  const names = step.flatMap(({ type, object }) => (type === 'delete' && isLink(object) ? [object.name] : []));
  if (names.length === 0) {
    return await Promise.all(
      step.map(async (operation) => {
        const error = broken.get(standsOn(operation.object));
        return error ?? (await failureOf(operation, perform(context, operation, indices)));
      }),
    );
  }
  for (const name of names) indices.forget(name);
  const removal = removeLinks(context.tenant.rt, names);
  return await Promise.all(step.map((operation) => failureOf(operation, removal)));
}

async function perform(context: LinkContext, operation: Operation, indices: Indices): Promise<void> {
  const { object } = operation;
  const { rt } = context.tenant;
  if (object.kind === 'sysctl') {
    putSetting(context.tenant, object);
  } else if (isLink(object)) {
    indices.forget(object.name);
    if (operation.type === 'create') await createLink(context, object);
    else await settle(context, object);
  } else if (object.kind === 'rule') {
    await (operation.type === 'delete' ? deleteRule(rt, object) : putRule(rt, object));
  } else if (operation.type === 'delete') {
    await deleteEntry(rt, object, await indices.of(object.link));
  } else {
    const index = await indices.of(object.link);
    await putEntry(rt, object, index);
    if (object.kind === 'neighbour' && object.announced) announce(context.tenant.namespace, index, object);
  }
}

/** Asked for once for all entries of a link. */
class Indices {
  readonly #context: LinkContext;
  readonly #known = new Map<string, Promise<number>>();

  constructor(context: LinkContext) {
    this.#context = context;
  }

  of(name: string): Promise<number> {
    const known = this.#known.get(name) ?? indexOf(this.#context.tenant.rt, name);
    this.#known.set(name, known);
    return known;
  }

  forget(name: string): void {
    this.#known.delete(name);
  }
}

async function failureOf(operation: Operation, work: Promise<void>): Promise<Error | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    return named(operation, error);
  }
}

function named(operation: Operation, error: unknown): Error {
  if (error instanceof WeftError || error instanceof OutcomeUnknownError) return error;
  const what = `${operation.type} ${keyOf(operation.object)}`;
  const text = error instanceof NetlinkError ? error.message : describeCause(error);
  return new WeftError('kernel-refused', `${what}: ${text}`, { object: keyOf(operation.object), cause: error });
}
