/**
 * Deleting a network made by name. What weft put into engines itself does not hold it back; what users made there does,
 * and so do endpoints, unless the deletion is forced.
 *
 * A network that is bound anywhere is first marked as leaving, from when on nothing new can be bound or attached to it
 * (every such transaction compares its record). The nodes then end what they have of it, and whoever sees its last record
 * go removes the rest: the caller, or any node's housekeeping when the caller died.
 */
import { WeftError } from '../model/errors.ts';
import { keys, prefixes } from '../model/keys.ts';
import type { ClusterState } from '../model/cluster.ts';
import { HANDLER_DEADLINE, LEAK_GRACE } from '../model/limits.ts';
import type { Binding, Endpoint, Network } from '../model/objects.ts';
import { commit } from './commit.ts';
import type { Decision } from './commit.ts';
import type { ControlDeps } from './context.ts';
import { removeEndpoint } from './endpoints.ts';
import { bindingsOf, ownersOf, usersOf } from './network-users.ts';
import type { User } from './network-users.ts';
import { decideRemoval } from './networks.ts';
import type { CallContext } from './port.ts';
import { endpointName, findNetwork, networkName } from './references.ts';

/** for the nodes to end what they have, in milliseconds: of a forced deletion, and of one that nobody stands in the way of */
const FORCE_DEADLINE = 30_000;
const DEADLINE = 3_000;

export async function deleteNetwork(
  deps: ControlDeps,
  request: { ref: string; force: boolean },
  context: CallContext = {},
): Promise<void> {
  const { result: id } = await commit(deps, () => decideLeave(deps, request), context);
  if (id === undefined) return;
  if (request.force) await until(deps, { id, deadline: FORCE_DEADLINE, context, done: (users) => users.users === 0 });
  await awaitRemoval(deps, id, context);
  const { state } = deps.view.current();
  const network = state.networks.get(id);
  if (!network) return;
  if (!request.force && usersOf(state, network).length > 0) await stay(deps, id);
  throw request.force
    ? leavingLate(state, network)
    : (inUse(state, network, usersOf(state, network)) ?? leavingLate(state, network));
}

/** Marks the network; the result is its id when there is more to do, undefined when it is gone with this transaction. */
function decideLeave(deps: ControlDeps, request: { ref: string; force: boolean }): Decision<string | undefined> {
  const { state } = deps.view.current();
  const network = findNetwork(state, request.ref);
  const refusal = inUse(state, network, usersOf(state, network));
  if (refusal && !request.force) throw refusal;
  if (!refusal && bindingsOf(state, network).length === 0 && ownersOf(state, network).length === 0) {
    return { ...decideRemoval(deps, state, network), result: undefined };
  }
  return { ...markLeaving(deps, network, request.force), result: network.id };
}

/**
 * Without force only while nobody uses it, which this picture may be too old to know. Where weft itself put the network into
 * engines there are bindings all the same.
 */
export function markLeaving(deps: ControlDeps, network: Network, force: boolean): Omit<Decision<unknown>, 'result'> {
  const { state } = deps.view.current();
  const key = keys.network(network.id);
  const leaving = { since: deps.now().toISOString(), force };
  const endpoints = { emptyPrefix: prefixes.endpointsOf(network.id) };
  const bindings = { emptyPrefix: prefixes.bindingsOf(network.id) };
  const unused = bindingsOf(state, network).length === 0 ? [endpoints, bindings] : [endpoints];
  return {
    compare: [{ key, revision: deps.view.revisionOf(key) }, ...(force ? [] : unused)],
    then: [{ put: key, value: { ...network, leaving } }],
  };
}

/** Removes a leaving network that nobody uses any more; true when it is gone. Idempotent. */
export async function finishRemoval(deps: ControlDeps, id: string, context: CallContext = {}): Promise<boolean> {
  // Two transactions: ranges are compared as empty, and what a transaction deletes is still there when it compares.
  await commit(deps, () => decideUnbind(deps, id), context);
  await letGo(deps, id, context);
  const decide = (): Decision<boolean> => {
    const { state } = deps.view.current();
    const network = state.networks.get(id);
    if (!network) return { compare: [], then: [], result: true };
    const used = [usersOf, bindingsOf, ownersOf].some((of) => of(state, network).length > 0);
    if (!network.leaving || used) return { compare: [], then: [], result: false };
    return { ...decideRemoval(deps, state, network), result: true };
  };
  return (await commit(deps, decide, context)).result;
}

/** A leaving network that nobody uses, as soon as its nodes have let go of it; what takes longer is left to them. */
export async function awaitRemoval(deps: ControlDeps, id: string, context: CallContext = {}): Promise<void> {
  if (await finishRemoval(deps, id, context)) return;
  await until(deps, { id, deadline: DEADLINE, context, done: ({ users, owners }) => users > 0 || owners === 0 });
  await finishRemoval(deps, id, context);
}

/**
 * A node's part in networks that are leaving: its endpoints made by hand go from a forced one, what nobody uses is
 * removed, and a mark whose maker died on the way is taken back. `age`: milliseconds since the record was first seen so.
 */
export async function tendLeaving(
  deps: ControlDeps,
  age: (key: string) => number,
  context: CallContext,
): Promise<void> {
  const { state } = deps.view.current();
  for (const network of state.networks.values()) {
    if (!network.leaving) continue;
    const users = usersOf(state, network);
    for (const user of users) {
      const mine = 'addresses' in user && user.node === deps.node.id && user.engine.type === 'manual';
      if (mine && network.leaving.force) await removeEndpoint(deps, user, 'resting', context);
    }
    const waited = age(keys.network(network.id));
    if (users.length === 0) await finishRemoval(deps, network.id, context);
    else if (!network.leaving.force && waited >= LEAK_GRACE) await stay(deps, network.id);
  }
}

/** The engines' networks of these bindings are ours: their nodes remove them once the network is gone. */
function decideUnbind(deps: ControlDeps, id: string): Decision<undefined> {
  const { state } = deps.view.current();
  const network = state.networks.get(id);
  const synced = network?.leaving && usersOf(state, network).length === 0 ? bindingsOf(state, network) : [];
  return {
    compare: synced.map((binding) => ({ key: keyOf(binding), revision: deps.view.revisionOf(keyOf(binding)) })),
    then: synced.map((binding) => ({ delete: keyOf(binding) })),
    result: undefined,
  };
}

/** Somebody was faster than the mark: the network stays what it was. */
async function stay(deps: ControlDeps, id: string): Promise<void> {
  const key = keys.network(id);
  await commit(deps, () => {
    const network = deps.view.current().state.networks.get(id);
    if (!network?.leaving || network.leaving.force) return { compare: [], then: [], result: undefined };
    const kept: Network = { ...network };
    delete kept.leaving;
    return {
      compare: [{ key, revision: deps.view.revisionOf(key) }],
      then: [{ put: key, value: kept }],
      result: undefined,
    };
  });
}

/** This node's space in a leaving network, when nothing of its own is in it; and what is left of nodes that are not heard from. */
async function letGo(deps: ControlDeps, id: string, context: CallContext): Promise<void> {
  const { state } = deps.view.current();
  const network = state.networks.get(id);
  if (!network?.leaving) return;
  const options = { deadline: HANDLER_DEADLINE, ...context };
  const left = () => deps.ownership.isLeft(id);
  if (left()) await deps.ownership.giving.giveBack(id, left, options);
  if (!network.leaving.force && !(await commit(deps, () => decideForGood(deps, id), context)).result) return;
  const silent = ownersOf(state, network).filter((node) => !isHeardFrom(deps, node));
  for (const node of silent) await deps.ownership.giving.giveBackOf(id, node, options);
}

/**
 * Nodes that are heard from have let go, and nobody has an endpoint or a binding: nodes that are down hold nothing up. The mark
 * becomes final before their space is touched, since a network that stayed would give it to others, and they come back with it
 * in their journals. What such a node gave out while it was cut off goes when it is back.
 */
function decideForGood(deps: ControlDeps, id: string): Decision<boolean> {
  const { state } = deps.view.current();
  const network = state.networks.get(id);
  const owners = network ? ownersOf(state, network) : [];
  const used = network && [...usersOf(state, network), ...bindingsOf(state, network)].length > 0;
  const down = owners.length > 0 && !owners.some((node) => isHeardFrom(deps, node));
  if (!network?.leaving || used || !down) return { compare: [], then: [], result: false };
  if (network.leaving.force) return { compare: [], then: [], result: true };
  return {
    compare: [
      { key: keys.network(id), revision: deps.view.revisionOf(keys.network(id)) },
      { emptyPrefix: prefixes.endpointsOf(id) },
      { emptyPrefix: prefixes.bindingsOf(id) },
    ],
    then: [{ put: keys.network(id), value: { ...network, leaving: { ...network.leaving, force: true } } }],
    result: true,
  };
}

function isHeardFrom(deps: ControlDeps, node: string): boolean {
  return node === deps.node.id || deps.view.current().state.live.has(node);
}

interface Waiting {
  id: string;
  /** milliseconds */
  deadline: number;
  context: CallContext;
  done: (left: { users: number; owners: number }) => boolean;
}

/** Returns when it is done or the network gone, or at the deadline. */
async function until(deps: ControlDeps, { id, deadline, context, done }: Waiting): Promise<void> {
  const end = AbortSignal.timeout(deadline);
  const signal = context.signal ? AbortSignal.any([end, context.signal]) : end;
  for await (const state of deps.view.follow(signal)) {
    const network = state.networks.get(id);
    if (!network) return;
    const owners = ownersOf(state, network).filter((node) => isHeardFrom(deps, node));
    if (done({ users: usersOf(state, network).length, owners: owners.length })) return;
  }
}

function keyOf(binding: Binding): string {
  return keys.binding(binding.network, binding.node, binding.engine, binding.engineId);
}

function inUse(state: ClusterState, network: Network, users: User[]): WeftError | undefined {
  const object = networkName(state, network);
  const endpoints = users.filter((user): user is Endpoint => 'addresses' in user);
  const [first] = endpoints;
  if (first) {
    const others = endpoints.length > 1 ? ` and ${endpoints.length - 1} more` : '';
    return new WeftError('network-in-use', `${object} has ${describe(state, first)}${others}`, {
      object,
      next: `detach them (weft endpoint ls -t ${object.split('/')[0] ?? ''}), or weft network delete ${object} --force`,
    });
  }
  const binding = users.find((user): user is Binding => 'engineId' in user);
  if (!binding) return undefined;
  const node = nodeName(state, binding.node);
  return new WeftError('network-in-use', `${object} is in use by ${binding.engine} on ${node}`, {
    object,
    next: `on ${node}: ${binding.engine} network rm ${binding.engineId.slice(0, 12)}, or weft network delete ${object} --force`,
  });
}

function leavingLate(state: ClusterState, network: Network): WeftError {
  const object = networkName(state, network);
  const nodes = ownersOf(state, network).map((node) => nodeName(state, node));
  const who = nodes.length > 0 ? nodes.join(', ') : 'its nodes';
  return new WeftError('not-ready', `${object} is marked for deletion, but ${who} still hold records of it`, {
    object,
    next: `it goes by itself once they are back, or without those that stay away: weft network delete ${object} --force`,
  });
}

/** 'container "web1" (10.1.2.3) on host2' */
export function describe(state: ClusterState, endpoint: Endpoint): string {
  const container = state.descriptions.get(endpoint.id)?.container ?? endpoint.engine.container;
  const who = container?.name ? `container "${container.name}"` : `endpoint "${endpointName(state, endpoint)}"`;
  return `${who} (${endpoint.addresses.join(', ')}) on ${nodeName(state, endpoint.node)}`;
}

function nodeName(state: ClusterState, id: string): string {
  return state.nodes.get(id)?.name ?? id;
}
