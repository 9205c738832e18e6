/**
 * Pools as an engine's address driver asks for them. Docker asks before any network exists and never says for which, so
 * a pool stands alone, in a record of this node, until the network of this engine that is made next takes it.
 */
import { canonicalAddress, parseAddress } from '../../model/address/address.ts';
import { contains, formatCidr, overlaps, parseCidr } from '../../model/address/cidr.ts';
import type { Cidr } from '../../model/address/cidr.ts';
import { WeftError } from '../../model/errors.ts';
import { chooseSubnet } from '../../model/ipam/choose-subnet.ts';
import { defaultGateway, poolOf } from '../../model/ipam/pool.ts';
import { keys, prefixes } from '../../model/keys.ts';
import { newId } from '../../model/names.ts';
import type { AddressRecord, Network, Subnet } from '../../model/objects.ts';
import { checkAddressIn, checkSubnet, invalid } from '../../model/validate.ts';
import { grantAddress, moveAddress, poolFor } from '../addresses.ts';
import { commit } from '../commit.ts';
import type { ControlDeps } from '../context.ts';
import type { CallContext, Pool, PoolRequest } from '../port.ts';
import { lookupNetwork, networkName } from '../references.ts';
import { DEFAULT_TENANT } from '../tenants.ts';

export interface PoolRecord {
  id: string;
  node: string;
  engine: 'docker';
  addressSpace: string;
  cidr: string;
  range: string;
  /** names from the IPAM options, '' where absent */
  tenant: string;
  network: string;
  /** id of the network that took it; null before */
  taken: string | null;
  gateway: string | null;
  reserved: string[];
  createdAt: string;
}

export async function requestPool(deps: ControlDeps, request: PoolRequest, context?: CallContext): Promise<Pool> {
  const avoid = request.cidr === '' ? await deps.hostRoutes() : [];
  const decide = () => {
    const existing = namedNetwork(deps, request);
    const cidr = existing ? subnetOf(deps, existing, request) : freshSubnet(deps, request, avoid);
    const record: PoolRecord = {
      id: newId(),
      node: deps.node.id,
      engine: request.engine,
      addressSpace: request.addressSpace,
      cidr,
      range: rangeIn(request.range, cidr),
      tenant: request.tenant,
      network: request.network,
      taken: null,
      gateway: null,
      reserved: [],
      createdAt: deps.now().toISOString(),
    };
    const key = keys.pool(deps.node.id, record.id);
    return { compare: [{ key, revision: 0 }], then: [{ put: key, value: record }], result: { id: record.id, cidr } };
  };
  return (await commit(deps, decide, context)).result;
}

export async function releasePool(deps: ControlDeps, id: string, context?: CallContext): Promise<void> {
  const key = keys.pool(deps.node.id, id);
  const decide = () => {
    const revision = deps.view.revisionOf(key);
    return { compare: [{ key, revision }], then: revision === 0 ? [] : [{ delete: key }], result: undefined };
  };
  await commit(deps, decide, context);
}

export async function requestAddress(
  deps: ControlDeps,
  request: { poolId: string; address: string; gateway: boolean },
  context?: CallContext,
): Promise<{ address: string }> {
  const decide = () => {
    const pool = findPool(deps, request.poolId);
    const network = pool.taken === null ? undefined : deps.view.current().state.networks.get(pool.taken);
    if (pool.taken === null) return decideBefore(deps, pool, request);
    if (!network) throw new WeftError('pool-not-found', `pool ${pool.cidr} belongs to a network that is gone`);
    const subnet = network.subnets.find((one) => one.cidr === pool.cidr);
    if (request.gateway && subnet) return answer(subnet.gateway, pool);
    const parsed = request.address ? poolFor(network, request.address) : undefined;
    const target = parsed ?? (subnet && poolOf(subnet));
    if (!target)
      throw invalid(
        'Address',
        `${request.address} is in no subnet of ${networkName(deps.view.current().state, network)}`,
      );
    const grant = grantAddress(deps, {
      network,
      pool: target,
      state: 'held',
      endpoint: null,
      ...(request.address ? { wanted: request.address } : {}),
      ...(pool.range ? { range: pool.range } : {}),
    });
    return { compare: grant.compare, then: grant.then, result: { address: grant.cidr } };
  };
  return (await deps.turns.take(request.poolId, () => commit(deps, decide, context))).result;
}

/** Gateway and auxiliary addresses come before the network; anything else before it is another driver's use of ours. */
function decideBefore(deps: ControlDeps, pool: PoolRecord, request: { address: string; gateway: boolean }) {
  const cidr = mustCidr(pool.cidr);
  const existing = namedNetwork(deps, pool)?.subnets.find((subnet) => subnet.cidr === pool.cidr);
  if (!request.gateway && request.address === '') {
    throw new WeftError('not-supported', `pool ${pool.cidr} belongs to no weft network yet`, {
      next: 'create the network with both: -d weft --ipam-driver weft',
    });
  }
  const asked = request.address ? checkAddressIn('Address', request.address, cidr) : '';
  const address = asked || existing?.gateway || defaultGateway(cidr);
  if (existing) assertAgrees(existing, address, request.gateway, pool);
  const next: PoolRecord = request.gateway
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
  if (!gateway && address !== subnet.gateway && !subnet.reserved.some((range) => covers(range, address))) {
    throw new WeftError('subnet-mismatch', `auxiliary address ${address} is not reserved in ${object}`, { object });
  }
}

function covers(range: string, address: string): boolean {
  const parsed = parseAddress(address);
  const cidr = parseCidr(range);
  return range === address || (parsed !== undefined && cidr !== undefined && contains(cidr, parsed));
}

export async function releaseAddress(
  deps: ControlDeps,
  request: { poolId: string; address: string },
  context?: CallContext,
): Promise<void> {
  const decide = () => {
    const pool = deps.view.value<PoolRecord>(keys.pool(deps.node.id, request.poolId));
    const address = canonicalAddress(request.address);
    if (!pool?.taken || !address) return { compare: [], then: [], result: undefined };
    const record = deps.view.value<AddressRecord>(keys.address(pool.taken, address));
    if (record?.state !== 'held' || record.node !== deps.node.id) return { compare: [], then: [], result: undefined };
    return { ...moveAddress(deps, pool.taken, address, { state: 'resting', endpoint: null }), result: undefined };
  };
  await commit(deps, decide, context);
}

export function poolsOfNode(deps: ControlDeps): PoolRecord[] {
  return deps.view.list<PoolRecord>(prefixes.pools(deps.node.id));
}

function findPool(deps: ControlDeps, id: string): PoolRecord {
  const pool = deps.view.value<PoolRecord>(keys.pool(deps.node.id, id));
  if (!pool) throw new WeftError('pool-not-found', `no pool "${id}" on this host`, { object: id });
  return pool;
}

function namedNetwork(deps: ControlDeps, names: { tenant: string; network: string }): Network | undefined {
  if (!names.network) return undefined;
  return lookupNetwork(deps.view.current().state, `${names.tenant || DEFAULT_TENANT}/${names.network}`);
}

function subnetOf(deps: ControlDeps, network: Network, request: PoolRequest): string {
  const family = request.v6 ? 6 : 4;
  const mine = network.subnets.filter((subnet) => mustCidr(subnet.cidr).family === family);
  const asked = request.cidr === '' ? mine[0] : mine.find((subnet) => subnet.cidr === askedCidr(request.cidr));
  if (asked) return asked.cidr;
  const object = networkName(deps.view.current().state, network);
  const has = network.subnets.map((subnet) => subnet.cidr).join(', ');
  throw new WeftError(
    'subnet-mismatch',
    `${object} exists with ${has}, not with ${request.cidr || `an IPv${family} subnet`}`,
    {
      object,
    },
  );
}

function askedCidr(text: string): string {
  const cidr = parseCidr(text);
  return cidr ? formatCidr(cidr) : text;
}

function freshSubnet(deps: ControlDeps, request: PoolRequest, avoid: Cidr[]): string {
  if (request.cidr !== '') return checkSubnet('Pool', { cidr: request.cidr }).cidr;
  const { state } = deps.view.current();
  const tenant = [...state.tenants.values()].find((one) => one.name === (request.tenant || DEFAULT_TENANT));
  const ranges = tenant ? (deps.view.value<string[]>(keys.subnets(tenant.id)) ?? []) : [];
  // A pool that Docker finds in its way is kept while it asks for the next: that must be another one.
  const pending = poolsOfNode(deps).filter((pool) => pool.taken === null);
  const used = [...ranges, ...pending.map((pool) => pool.cidr)].flatMap((range) => parseCidr(range) ?? []);
  const cidr = chooseSubnet(request.v6 ? 6 : 4, deps.settings.id, [...used, ...avoid]);
  if (!cidr) throw new WeftError('no-free-subnet', 'no default subnet is free', { object: request.network });
  return formatCidr(cidr);
}

function rangeIn(range: string, cidr: string): string {
  if (range === '') return '';
  const [inner, outer] = [parseCidr(range), parseCidr(cidr)];
  if (!inner || !outer || !overlaps(inner, outer) || inner.prefix < outer.prefix) {
    throw invalid('SubPool', `${range} is no part of ${cidr}`);
  }
  return formatCidr(inner);
}

function answer(address: string, pool: PoolRecord) {
  return { compare: [], then: [], result: { address: `${address}/${mustCidr(pool.cidr).prefix}` } };
}

function mustCidr(text: string): Cidr {
  const cidr = parseCidr(text);
  if (!cidr) throw new TypeError(`not a subnet: ${text}`);
  return cidr;
}
