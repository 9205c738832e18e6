/**
 * WEFT_LEVEL=2: this weftd passes for a later version, which reads that level of the cluster's state and writes what today's does
 * not know: a field in every network and in its own record, a kind of record, and networks with a label `next`, which only that
 * level allows. So today's version can be tried beside one that does not exist yet. Read beside WEFT_TEST=1 and nowhere else.
 */
import type { ControlDeps } from './control/context.ts';
import { requireLevel } from './control/level.ts';
import type { Control } from './control/port.ts';
import { toWeftError, WeftError } from './model/errors.ts';
import { keys } from './model/keys.ts';
import { LEVEL } from './model/level.ts';
import { VERSION } from './version.ts';

export interface Edition {
  version: string;
  /** the highest of the cluster's state that it reads */
  level: number;
  /** a later version that is only played */
  next: boolean;
}

/** Throws `configuration-invalid`. */
export function editionOf(environment: NodeJS.ProcessEnv): Edition {
  const text = environment.WEFT_TEST === '1' ? (environment.WEFT_LEVEL ?? '') : '';
  if (text === '') return { version: VERSION, level: LEVEL, next: false };
  if (!/^\d{1,6}$/.test(text) || Number(text) <= LEVEL) {
    throw new WeftError('configuration-invalid', `WEFT_LEVEL: "${text}" is no number above ${LEVEL}`, {
      object: 'WEFT_LEVEL',
      next: 'correct WEFT_LEVEL, or unset it',
    });
  }
  return { version: `${VERSION}-level.${text}`, level: Number(text), next: true };
}

/** Adds to its own record and to all networks what today's version has no name for, and keeps doing so until the signal. */
export async function actAsNext(deps: ControlDeps, signal: AbortSignal): Promise<void> {
  const { view, log } = deps;
  for await (const { networks } of view.follow(signal)) {
    if (!view.complete || !deps.ownership.standing.isProven()) continue;
    try {
      for (const key of [keys.node(deps.node.id), ...[...networks.keys()].map(keys.network)]) await addField(deps, key);
      const key = `next/${deps.node.id}`;
      if (view.entry(key) === undefined) await put(deps, key, { node: deps.node.id, level: deps.level });
    } catch (error) {
      log.debug({ reason: toWeftError(error).message }, 'the later version waits for the store');
    }
  }
}

/** With a feature that only its level allows. */
export function controlOfNext(control: Control, deps: ControlDeps): Control {
  return {
    ...control,
    createNetwork: async (request, context) => {
      if (request.labels?.next !== undefined) requireLevel(deps, deps.level, 'networks with the label "next"');
      return await control.createNetwork(request, context);
    },
  };
}

async function addField(deps: ControlDeps, key: string): Promise<void> {
  const value = deps.view.value<{ next?: unknown }>(key);
  if (value && value.next === undefined) await put(deps, key, { ...value, next: { since: deps.version } });
}

/** Another's write in between is met by the next look. */
async function put({ store, view, ownership }: ControlDeps, key: string, value: unknown): Promise<void> {
  const compare = [{ key, revision: view.revisionOf(key) }, ...ownership.standing.compare()];
  await store.transact({ compare, then: [{ put: key, value }] });
}
