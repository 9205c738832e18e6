/** Tying an engine's network to ours: it takes the pools asked for before, and makes or shares tenant and network. */
import { WeftError } from '../../model/errors.ts';
import { keys } from '../../model/keys.ts';
import type { Binding, Network, Subnet } from '../../model/objects.ts';
import { checkName, checkSubnet } from '../../model/validate.ts';
import type { Operation } from '../../store/port.ts';
import { commit } from '../commit.ts';
import type { Decision } from '../commit.ts';
import type { ControlDeps } from '../context.ts';
import { decideNetwork, decideRemoval } from '../networks.ts';
import type { BindRequest, CallContext } from '../port.ts';
import { assertStays, lookupNetwork } from '../references.ts';
import { DEFAULT_TENANT } from '../tenants.ts';
import { poolsOfNode } from './pools.ts';
import { declineRecord } from './step.ts';
import type { PoolRecord } from './pools.ts';

interface Target {
  tenant: string;
  network: string;
}

export async function bindNetwork(deps: ControlDeps, request: BindRequest, context?: CallContext): Promise<Network> {
  const decide = () => {
    const bound = findBinding(deps, request.engineId);
    const before = bound && deps.view.current().state.networks.get(bound.network);
    if (before) return { compare: [], then: [], result: before };
    const pools = request.subnets.map((subnet) => takePool(deps, subnet));
    const target = nameTarget(request, pools);
    const subnets = request.subnets.map((subnet, i) => checkSubnet(`subnets[${i}]`, subnet));
    const existing = lookupNetwork(deps.view.current().state, `${target.tenant}/${target.network}`);
    if (existing) assertStays(deps.view.current().state, existing);
    const decision = existing
      ? shareNetwork(existing, request, subnets, target)
      : makeNetwork(deps, request, subnets, target);
    return bind(deps, decision, request, pools);
  };
  const { result, revision } = await commit(deps, decide, context);
  deps.reconciler.wake({ kind: 'tenant', tenant: result.tenant, reason: `bind at ${revision}` });
  return result;
}

function bind(
  deps: ControlDeps,
  decision: Decision<Network>,
  request: BindRequest,
  pools: PoolRecord[],
): Decision<Network> {
  const network = decision.result;
  const key = keys.binding(network.id, deps.node.id, request.engine, request.engineId);
  const networkKey = keys.network(network.id);
  const binding: Binding = {
    network: network.id,
    node: deps.node.id,
    engine: request.engine,
    engineId: request.engineId,
    createdAt: deps.now().toISOString(),
  };
  const taken = pools.map((pool) => ({ key: keys.pool(pool.node, pool.id), pool }));
  return {
    compare: [
      ...decision.compare,
      { key: networkKey, revision: deps.view.revisionOf(networkKey) },
      { key, revision: 0 },
      ...taken.map((one) => ({ key: one.key, revision: deps.view.revisionOf(one.key) })),
    ],
    then: [
      ...decision.then,
      { put: key, value: binding },
      ...taken.map((one): Operation => ({ put: one.key, value: { ...one.pool, taken: network.id } })),
    ],
    result: network,
  };
}

/** The one pool of this node with that space and subnet that no network has. */
function takePool(deps: ControlDeps, subnet: { addressSpace: string; cidr: string }): PoolRecord {
  const fitting = poolsOfNode(deps).filter(
    (pool) => pool.taken === null && pool.addressSpace === subnet.addressSpace && pool.cidr === subnet.cidr,
  );
  const [pool, second] = fitting;
  if (!pool) {
    throw new WeftError('not-supported', `subnet ${subnet.cidr} does not come from weft's address driver`, {
      next: 'create the network with --ipam-driver weft beside -d weft',
    });
  }
  if (second) {
    throw new WeftError(
      'store-conflict',
      `${fitting.length} networks with subnet ${subnet.cidr} are being made on this host`,
      {
        next: 'create them one after the other',
      },
    );
  }
  return pool;
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

function shareNetwork(network: Network, request: BindRequest, subnets: Subnet[], target: Target): Decision<Network> {
  const object = `${target.tenant}/${target.network}`;
  const refuse = (message: string) => new WeftError('subnet-mismatch', `${object} exists ${message}`, { object });
  for (const subnet of subnets) {
    const mine = network.subnets.find((one) => one.cidr === subnet.cidr);
    const has = network.subnets.map((one) => one.cidr).join(', ');
    if (!mine) throw refuse(`with ${has}, not with ${subnet.cidr}`);
    if (mine.gateway !== subnet.gateway) throw refuse(`with gateway ${mine.gateway}, not ${subnet.gateway}`);
  }
  if (network.internal !== request.internal) throw refuse(network.internal ? 'as internal' : 'and is not internal');
  if (request.mtu !== undefined && request.mtu !== network.mtu)
    throw refuse(`with MTU ${network.mtu}, not ${request.mtu}`);
  return { compare: [], then: [], result: network };
}

function makeNetwork(deps: ControlDeps, request: BindRequest, subnets: Subnet[], target: Target): Decision<Network> {
  const decision = decideNetwork(deps, {
    tenant: target.tenant,
    name: target.network,
    subnets,
    avoid: [],
    internal: request.internal,
    mtu: request.mtu,
    origin: 'engine',
    makeTenant: true,
  });
  return decision;
}

export async function unbindNetwork(deps: ControlDeps, engineId: string, context?: CallContext): Promise<void> {
  let network: string | undefined;
  const decide = () => {
    const binding = findBinding(deps, engineId);
    if (!binding) return { compare: [], then: [], result: undefined };
    network = binding.network;
    const key = keys.binding(binding.network, binding.node, binding.engine, binding.engineId);
    const declined = declineRecord(deps, binding);
    const pools = poolsOfNode(deps).filter((pool) => pool.taken === binding.network && !otherBinding(deps, binding));
    return {
      compare: [{ key, revision: deps.view.revisionOf(key) }, ...declined.compare],
      then: [{ delete: key }, ...declined.then, ...pools.map((pool) => ({ delete: keys.pool(pool.node, pool.id) }))],
      result: undefined,
    };
  };
  await commit(deps, decide, context);
  if (network !== undefined) await dropUnused(deps, network, context);
}

/** A network that an engine's create made goes with its last binding and endpoint, on whatever host that was. */
export async function dropUnused(deps: ControlDeps, id: string, context?: CallContext): Promise<void> {
  const decide = () => {
    const { state } = deps.view.current();
    const network = state.networks.get(id);
    const used =
      [...state.bindings.values()].some((one) => one.network === id) ||
      [...state.endpoints.values()].some((one) => one.network === id);
    if (network?.origin !== 'engine' || used) return { compare: [], then: [], result: undefined };
    return { ...decideRemoval(deps, state, network), result: undefined };
  };
  await commit(deps, decide, context);
}

export function findBinding(deps: ControlDeps, engineId: string): Binding | undefined {
  const { state } = deps.view.current();
  return [...state.bindings.values()].find((one) => one.node === deps.node.id && one.engineId === engineId);
}

function otherBinding(deps: ControlDeps, binding: Binding): boolean {
  const { state } = deps.view.current();
  return [...state.bindings.values()].some(
    (one) => one.node === binding.node && one.network === binding.network && one.engineId !== binding.engineId,
  );
}
