/** Tying an engine's network to ours: it takes the pools asked for before, and makes or shares tenant and network. */
import { isDeepStrictEqual } from 'node:util';
import { WeftError } from '../../model/errors.ts';
import { keys } from '../../model/keys.ts';
import type { Binding, Network, StaticRoute, Subnet } from '../../model/objects.ts';
import { poolOf } from '../../model/ipam/pool.ts';
import { checkRoutes } from '../../model/routes.ts';
import { checkName, checkSubnet, invalid } from '../../model/validate.ts';
import type { Operation } from '../../store/port.ts';
import { commit } from '../commit.ts';
import type { Decision } from '../commit.ts';
import type { ControlDeps } from '../context.ts';
import { awaitRemoval, markLeaving } from '../network-removal.ts';
import { ownersOf } from '../network-users.ts';
import { decideNetwork, decideRemoval } from '../networks.ts';
import type { BindRequest } from './port.ts';
import type { CallContext } from '../port.ts';
import { assertStays, lookupNetwork } from '../references.ts';
import { DEFAULT_TENANT } from '../tenants.ts';
import { endLoose } from './loose-pools.ts';
import { isReserved } from './pool-addresses.ts';
import { OUR_IPAM, takePool } from './pool-choice.ts';
import type { Taken } from './pool-choice.ts';
import { poolsOfNode } from './pools.ts';
import { declineRecord } from './step.ts';
import type { PoolRecord } from './pools.ts';

interface Target {
  tenant: string;
  network: string;
}

/** What is bound, or the id of what has to go before. */
type Bound = { network: Network } | { going: string };

/** Throws `network-leaving` of a network that somebody deletes, or that is not gone in time. */
export async function bindNetwork(deps: ControlDeps, request: BindRequest, context?: CallContext): Promise<Network> {
  let awaited: string | undefined;
  for (;;) {
    const known = awaited;
    const { result, revision } = await commit(deps, () => decideBind(deps, request, known), context);
    if ('network' in result) return await begin(deps, result.network, revision);
    awaited = result.going;
    await awaitRemoval(deps, awaited, context);
  }
}

async function begin(deps: ControlDeps, network: Network, revision: number): Promise<Network> {
  await deps.at?.('network.recorded');
  deps.reconciler.wake({ kind: 'tenant', tenant: network.tenant, reason: `bind at ${revision}` });
  // So that the first container does not wait for it.
  for (const pool of network.subnets.map(poolOf)) {
    if (deps.ownership.isShort(network.id, pool)) deps.ownership.space.prefetch({ network, pools: [pool] });
  }
  return network;
}

/**
 * A network that only its engines kept goes with the last of them, in a moment in which another host may create it anew: its
 * user deleted nothing there, so the new one waits for the old one's end. `awaited` was waited for already.
 */
function decideBind(deps: ControlDeps, request: BindRequest, awaited: string | undefined): Decision<Bound> {
  const { state } = deps.view.current();
  const bound = findBinding(deps, request.engineId);
  const before = bound && state.networks.get(bound.network);
  if (before) return { compare: [], then: [], result: { network: before } };
  if (request.subnets.length === 0) throw invalid('IPv4Data', 'no subnet is given', OUR_IPAM);
  const taken = request.subnets.map((subnet) => takePool(deps, subnet, request));
  const pools = taken.map(({ pool }) => pool);
  const target = nameTarget(request, pools);
  const subnets = request.subnets.map((subnet, i) => checkSubnet(`subnets[${i}]`, subnet));
  const existing = lookupNetwork(state, `${target.tenant}/${target.network}`);
  const goes = existing?.leaving !== undefined && existing.origin === 'engine';
  if (goes && existing.id !== awaited) return { compare: [], then: [], result: { going: existing.id } };
  if (existing) assertStays(state, existing);
  const routes = request.routes && checkRoutes('-o routes', request.routes, existing?.subnets ?? subnets);
  const wish = { ...request, subnets, routes };
  const decision = existing ? shareNetwork(existing, wish, target) : makeNetwork(deps, wish, target);
  return bind(deps, decision, request, taken);
}

function bind(deps: ControlDeps, decision: Decision<Network>, request: BindRequest, taken: Taken[]): Decision<Bound> {
  const network = decision.result;
  const key = keys.binding(network.id, deps.node.id, request.engine, request.engineId);
  const networkKey = keys.network(network.id);
  const binding: Binding = {
    network: network.id,
    node: deps.node.id,
    engine: request.engine,
    engineId: request.engineId,
    createdAt: deps.now().toISOString(),
    ...(request.synced === undefined ? {} : { synced: request.synced }),
  };
  const loose = taken.map(({ pool }) => endLoose(deps, pool));
  const pools = taken.map(({ pool, certain }) => ({
    key: keys.pool(pool.node, pool.id),
    value: { ...pool, taken: network.id, ...(certain ? { engineId: request.engineId } : {}) } satisfies PoolRecord,
  }));
  return {
    compare: [
      ...decision.compare,
      { key: networkKey, revision: deps.view.revisionOf(networkKey) },
      { key, revision: 0 },
      ...pools.map(({ key: pool }) => ({ key: pool, revision: deps.view.revisionOf(pool) })),
      ...loose.flatMap((part) => part.compare),
    ],
    then: [
      ...decision.then,
      { put: key, value: binding },
      ...pools.map((one): Operation => ({ put: one.key, value: one.value })),
      ...loose.flatMap((part) => part.then),
    ],
    result: { network },
  };
}

/** Names come from the driver's options or the address driver's; where both speak they must agree. */
function nameTarget(request: BindRequest, pools: PoolRecord[]): Target {
  const one = (field: 'tenant' | 'network'): string => {
    const named = new Set([request[field], ...pools.map((pool) => pool[field])].filter((name) => name !== ''));
    if (named.size > 1) {
      throw new WeftError('invalid-argument', `${field}: -o and --ipam-opt differ: ${[...named].join(', ')}`, {
        next: `give the same ${field} in both: -o ${field}=NAME --ipam-opt ${field}=NAME`,
      });
    }
    return [...named][0] ?? '';
  };
  return {
    tenant: checkName('tenant', one('tenant') || DEFAULT_TENANT),
    network: checkName('network', one('network') || `${request.engine}-${request.engineId.slice(0, 12)}`),
  };
}

type Wish = Omit<BindRequest, 'subnets' | 'routes'> & { subnets: Subnet[]; routes: StaticRoute[] | undefined };

function shareNetwork(network: Network, wish: Wish, target: Target): Decision<Network> {
  const object = `${target.tenant}/${target.network}`;
  const refuse = (message: string) =>
    new WeftError('subnet-mismatch', `${object} exists ${message}`, {
      object,
      next: `take it as it is: --ipam-opt tenant=${target.tenant} --ipam-opt network=${target.network}, no --subnet`,
    });
  for (const subnet of wish.subnets) {
    const mine = network.subnets.find((one) => one.cidr === subnet.cidr);
    const has = network.subnets.map((one) => one.cidr).join(', ');
    if (!mine) throw refuse(`with ${has}, not with ${subnet.cidr}`);
    if (mine.gateway !== subnet.gateway) throw refuse(`with gateway ${mine.gateway}, not ${subnet.gateway}`);
    const open = subnet.reserved.find((address) => !isReserved(mine, address));
    if (open !== undefined) throw refuse(`and does not reserve the auxiliary address ${open}`);
  }
  if (network.internal !== wish.internal) throw refuse(network.internal ? 'as internal' : 'and is not internal');
  if (wish.mtu !== undefined && wish.mtu !== network.mtu) throw refuse(`with MTU ${network.mtu}, not ${wish.mtu}`);
  if (wish.routes !== undefined && !isDeepStrictEqual(wish.routes, network.routes ?? [])) {
    throw refuse(`with ${network.routes?.length ? 'other' : 'no'} routes`);
  }
  return { compare: [], then: [], result: network };
}

function makeNetwork(deps: ControlDeps, wish: Wish, target: Target): Decision<Network> {
  return decideNetwork(deps, {
    tenant: target.tenant,
    name: target.network,
    subnets: wish.subnets,
    avoid: [],
    internal: wish.internal,
    mtu: wish.mtu,
    ...(wish.routes?.length ? { routes: wish.routes } : {}),
    origin: 'engine',
    makeTenant: true,
  });
}

/**
 * Docker gives the last pool of a network back only as the network goes: at its removal, where DeleteNetwork follows, and
 * after a CreateNetwork whose answer it did not get, where nothing does.
 */
export async function releasePool(deps: ControlDeps, id: string, context?: CallContext): Promise<void> {
  const key = keys.pool(deps.node.id, id);
  const decide = (): Decision<string | undefined> => {
    const pool = deps.view.value<PoolRecord>(key);
    if (!pool) return { compare: [], then: [], result: undefined };
    const loose = pool.taken === null ? endLoose(deps, pool) : { compare: [], then: [] };
    const more = poolsOfNode(deps).some((other) => other.id !== id && other.engineId === pool.engineId);
    return {
      compare: [{ key, revision: deps.view.revisionOf(key) }, ...loose.compare],
      then: [{ delete: key }, ...loose.then],
      result: more ? undefined : pool.engineId,
    };
  };
  const { result: ended } = await commit(deps, decide, context);
  await deps.at?.('pool.released');
  if (ended !== undefined) await unbindNetwork(deps, ended, context);
}

export async function unbindNetwork(deps: ControlDeps, engineId: string, context?: CallContext): Promise<void> {
  let network: string | undefined;
  const decide = () => {
    const binding = findBinding(deps, engineId);
    if (!binding) return { compare: [], then: [], result: undefined };
    network = binding.network;
    const key = keys.binding(binding.network, binding.node, binding.engine, binding.engineId);
    const declined = declineRecord(deps, binding);
    const pools = poolsOfNode(deps).filter((pool) => endsWith(deps, pool, binding));
    return {
      compare: [{ key, revision: deps.view.revisionOf(key) }, ...declined.compare],
      then: [{ delete: key }, ...declined.then, ...pools.map((pool) => ({ delete: keys.pool(pool.node, pool.id) }))],
      result: undefined,
    };
  };
  await commit(deps, decide, context);
  await deps.at?.('network.unbound');
  if (network !== undefined) await dropUnused(deps, network, context);
}

/**
 * A network that an engine's create made goes with its last binding and endpoint, on whatever host that was. Marked first, as in
 * network-removal.ts, and by this node too nothing is let go of before: until the mark stands, somebody may bind it again, and
 * what rests in it would be given out too early.
 */
export async function dropUnused(deps: ControlDeps, id: string, context: CallContext = {}): Promise<void> {
  if (!isUnused(deps, id)) return;
  const decide = () => {
    const { state } = deps.view.current();
    const network = state.networks.get(id);
    if (!network || network.leaving || !isUnused(deps, id)) return { compare: [], then: [], result: undefined };
    if (ownersOf(state, network).length === 0) return { ...decideRemoval(deps, state, network), result: undefined };
    return { ...markLeaving(deps, network, false), result: undefined };
  };
  await commit(deps, decide, context);
  if (deps.view.current().state.networks.get(id)?.leaving) await awaitRemoval(deps, id, context);
  await deps.at?.('network.dropped');
}

function isUnused(deps: ControlDeps, id: string): boolean {
  const { state } = deps.view.current();
  return (
    state.networks.get(id)?.origin === 'engine' &&
    ![...state.bindings.values(), ...state.endpoints.values()].some((one) => one.network === id)
  );
}

export function findBinding(deps: ControlDeps, engineId: string): Binding | undefined {
  const { state } = deps.view.current();
  return [...state.bindings.values()].find((one) => one.node === deps.node.id && one.engineId === engineId);
}

function endsWith(deps: ControlDeps, pool: PoolRecord, binding: Binding): boolean {
  if (pool.taken !== binding.network) return false;
  return pool.engineId === undefined ? !otherBinding(deps, binding) : pool.engineId === binding.engineId;
}

function otherBinding(deps: ControlDeps, binding: Binding): boolean {
  const { state } = deps.view.current();
  return [...state.bindings.values()].some(
    (one) => one.node === binding.node && one.network === binding.network && one.engineId !== binding.engineId,
  );
}
