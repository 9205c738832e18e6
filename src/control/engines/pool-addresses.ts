/**
 * Addresses as an engine's address driver asks for them: the gateway and reserved ones while a pool belongs to no network
 * yet, those of endpoints once it does. Docker never says which of these it wants; the order of its calls does.
 */
import { canonicalAddress, parseAddress } from '../../model/address/address.ts';
import { contains, parseCidr } from '../../model/address/cidr.ts';
import { WeftError } from '../../model/errors.ts';
import { defaultGateway, poolOf } from '../../model/ipam/pool.ts';
import type { Pool } from '../../model/ipam/pool.ts';
import { keys } from '../../model/keys.ts';
import type { AddressRecord, Network, Subnet } from '../../model/objects.ts';
import { checkAddressIn } from '../../model/validate.ts';
import { grantAddress, moveAddress } from '../addresses.ts';
import { commit } from '../commit.ts';
import type { Decision } from '../commit.ts';
import type { ControlDeps } from '../context.ts';
import type { CallContext } from '../port.ts';
import { assertStays } from '../references.ts';
import { DEFAULT_TENANT } from '../tenants.ts';
import { releaseLoose, requestLoose } from './loose-pools.ts';
import { findPool, mustCidr, namedNetwork } from './pools.ts';
import type { PoolRecord } from './pools.ts';

export interface AddressWish {
  poolId: string;
  /** '' for any */
  address: string;
  gateway: boolean;
  /** of the endpoint to come, where the engine tells it */
  name?: string;
}

export async function requestAddress(
  deps: ControlDeps,
  wish: AddressWish,
  context?: CallContext,
): Promise<{ address: string }> {
  const decide = () => {
    const pool = findPool(deps, wish.poolId);
    if (pool.taken !== null) return decideWithin(deps, pool, wish);
    if (deps.ipamOnly && !wish.gateway) return requestLoose(deps, pool, wish);
    return decideBefore(deps, pool, wish);
  };
  const { result } = await commit(deps, decide, context);
  await deps.at?.('address.recorded');
  return result;
}

function decideWithin(deps: ControlDeps, pool: PoolRecord, wish: AddressWish): Decision<{ address: string }> {
  const { state } = deps.view.current();
  const network = pool.taken === null ? undefined : state.networks.get(pool.taken);
  const subnet = network?.subnets.find((one) => one.cidr === pool.cidr);
  if (!network || !subnet) {
    throw new WeftError('pool-not-found', `pool ${pool.cidr} belongs to a network that is gone`, { object: pool.id });
  }
  const cidr = mustCidr(pool.cidr);
  if (wish.gateway) return { compare: [], then: [], result: { address: `${subnet.gateway}/${cidr.prefix}` } };
  assertStays(state, network);
  const wanted = wish.address && checkAddressIn('Address', wish.address, cidr);
  const grant = grantAddress(deps, {
    network,
    pools: wanted || pool.range ? [poolOf(subnet)] : poolsBehind(network, subnet),
    state: 'held',
    endpoint: null,
    ...(wanted ? { wanted } : {}),
    ...(pool.range ? { range: pool.range } : {}),
    ...(wish.name ? { name: wish.name } : {}),
  });
  return { compare: [], then: grant.then, result: { address: grant.cidr } };
}

/**
 * The subnet that the engine knows, then those that the network got later: Docker takes any address for an answer, with the
 * prefix length that comes with it.
 */
function poolsBehind(network: Network, subnet: Subnet): Pool[] {
  const first = poolOf(subnet);
  const others = network.subnets.filter((one) => one !== subnet).map(poolOf);
  return [first, ...others.filter(({ cidr }) => cidr.family === first.cidr.family)];
}

/** Gateway and auxiliary addresses come before the network; anything else before it is another driver's use of ours. */
function decideBefore(deps: ControlDeps, pool: PoolRecord, wish: AddressWish): Decision<{ address: string }> {
  const cidr = mustCidr(pool.cidr);
  const existing = namedNetwork(deps, pool)?.subnets.find((subnet) => subnet.cidr === pool.cidr);
  if (!wish.gateway && wish.address === '') {
    throw new WeftError('not-supported', `pool ${pool.cidr} belongs to no weft network: another driver would use it`, {
      next: 'create the network with both, -d weft and --ipam-driver weft, or set docker.ipamOnly on every host',
    });
  }
  const asked = wish.address ? checkAddressIn('Address', wish.address, cidr) : '';
  const address = asked || existing?.gateway || defaultGateway(cidr);
  if (existing) assertAgrees(existing, address, wish.gateway, pool);
  const next: PoolRecord = wish.gateway
    ? { ...pool, gateway: address }
    : { ...pool, reserved: [...new Set([...pool.reserved, address])] };
  const key = keys.pool(pool.node, pool.id);
  return {
    compare: [{ key, revision: deps.view.revisionOf(key) }],
    then: [{ put: key, value: next }],
    result: { address: `${address}/${cidr.prefix}` },
  };
}

function assertAgrees(subnet: Subnet, address: string, gateway: boolean, pool: PoolRecord): void {
  const object = `${pool.tenant || DEFAULT_TENANT}/${pool.network}`;
  if (gateway && address !== subnet.gateway) {
    throw new WeftError('subnet-mismatch', `gateway ${address} is asked for, but ${object} has ${subnet.gateway}`, {
      object,
    });
  }
  if (!gateway && !isReserved(subnet, address)) {
    throw new WeftError('subnet-mismatch', `auxiliary address ${address} is not reserved in ${object}`, { object });
  }
}

/** Never given to an endpoint. */
export function isReserved(subnet: Subnet, address: string): boolean {
  const parsed = parseAddress(address);
  return [subnet.gateway, ...subnet.reserved].some((range) => {
    const cidr = parseCidr(range);
    return range === address || (parsed !== undefined && cidr !== undefined && contains(cidr, parsed));
  });
}

/** A success that changes nothing where an endpoint has the address. */
export async function releaseAddress(
  deps: ControlDeps,
  request: { poolId: string; address: string },
  context?: CallContext,
): Promise<void> {
  const decide = (): Decision<undefined> => {
    const pool = deps.view.value<PoolRecord>(keys.pool(deps.node.id, request.poolId));
    const address = canonicalAddress(request.address);
    if (!pool || !address) return { compare: [], then: [], result: undefined };
    if (pool.taken === null) return releaseLoose(deps, pool, address);
    return { ...restAddress(deps, pool.taken, address), result: undefined, release: true };
  };
  await commit(deps, decide, context);
  await deps.at?.('address.released');
}

function restAddress(deps: ControlDeps, network: Network['id'], address: string): ReturnType<typeof moveAddress> {
  const record = deps.view.value<AddressRecord>(keys.address(network, address));
  if (record?.state !== 'held' || record.node !== deps.node.id) return { compare: [], then: [] };
  return moveAddress(deps, network, address, { state: 'resting', endpoint: null });
}
