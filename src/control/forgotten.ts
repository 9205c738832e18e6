/**
 * What a forgotten node left behind. It writes nothing any more, since each of its transactions compares its epoch, and members
 * drop its packets as soon as they know. Its addresses and space go to others when every node has applied that, and after the
 * time that addresses rest; a node that is not heard from is waited for, or forgotten itself.
 */
import { RESTING_TIME } from '../model/limits.ts';
import { keys, prefixes } from '../model/keys.ts';
import type { ForgottenNode } from '../model/objects.ts';
import type { Condition } from '../model/status.ts';
import type { ControlDeps } from './context.ts';
import type { CallContext } from './port.ts';

/** of a transaction's 100, half of them comparisons */
const BATCH = 40;

const OF_NODES = [prefixes.endpoints, prefixes.addresses, prefixes.descriptions, prefixes.bindings, prefixes.engines];

/**
 * One node at a time does it: the first of those whose lease lives. A copy of its disk bears the same name and asks its own kernel
 * for the other's: who is not proven waits. `age`: milliseconds since the record was first seen.
 */
export async function tendForgotten(
  deps: ControlDeps,
  age: (key: string) => number,
  context: CallContext = {},
): Promise<void> {
  if (!deps.ownership.standing.isProven()) return;
  const { state } = deps.view.current();
  const [first] = [...state.live].filter((id) => state.nodes.has(id)).sort();
  for (const node of deps.view.list<ForgottenNode>(prefixes.forgotten)) {
    const key = keys.forgotten(node.id);
    if (first !== deps.node.id || age(key) < RESTING_TIME || !holdsAnything(deps, node.id)) continue;
    if ((await deps.ownership.rest.behind(deps.view.revisionOf(key), context.signal)).length > 0) continue;
    await collect(deps, node, context);
  }
}

/** Who keeps what forgotten nodes left from being given out. */
export function forgottenConditions(deps: ControlDeps): Condition[] {
  const { state } = deps.view.current();
  const silent = [...state.nodes.values()].filter(({ id }) => !state.live.has(id)).map(({ name }) => name);
  if (silent.length === 0) return [];
  return deps.view
    .list<ForgottenNode>(prefixes.forgotten)
    .filter(({ id }) => holdsAnything(deps, id))
    .map(({ name, at }) => ({
      type: 'space-waits',
      object: name,
      message: `what this forgotten node held is kept for nodes that are not heard from: ${silent.join(', ')}; start them, or weft node forget them`,
      since: at,
    }));
}

function recordsOf(deps: ControlDeps, node: string): string[] {
  const pools = deps.view.keys(prefixes.pools(node));
  const own = OF_NODES.flatMap((prefix) =>
    deps.view.keys(prefix).filter((key) => deps.view.value<{ node: string }>(key)?.node === node),
  );
  const claims = [prefixes.endpointNames, prefixes.macs].flatMap((prefix) =>
    deps.view.keys(prefix).filter((key) => deps.view.value<{ node?: string }>(key)?.node === node),
  );
  return [...own, ...pools, ...claims];
}

function networksOf(deps: ControlDeps, node: string): string[] {
  const records = [...deps.view.current().state.blocks.values()];
  return [
    ...new Set(records.filter(({ parts }) => parts.some(({ owner }) => owner === node)).map((one) => one.network)),
  ];
}

function holdsAnything(deps: ControlDeps, node: string): boolean {
  return recordsOf(deps, node).length > 0 || networksOf(deps, node).length > 0;
}

/** Addresses before the space they lie in: who owns the space next must find them free. */
async function collect(deps: ControlDeps, node: ForgottenNode, context: CallContext): Promise<void> {
  const options = { deadline: 4_000, ...context };
  const records = recordsOf(deps, node.id);
  for (let at = 0; at < records.length; at += BATCH) {
    const some = records.slice(at, at + BATCH);
    const { succeeded, revision } = await deps.store.transact(
      {
        compare: [
          ...some.map((key) => ({ key, revision: deps.view.revisionOf(key) })),
          ...deps.ownership.standing.compare(),
        ],
        then: some.map((key) => ({ delete: key })),
      },
      options,
    );
    if (!succeeded) return;
    await deps.view.reached(revision, options.deadline, context.signal);
  }
  for (const network of networksOf(deps, node.id)) await deps.ownership.giving.giveBackOf(network, node.id, options);
  deps.log.info({ node: node.name, records: records.length }, 'collected what a forgotten node left behind');
}
