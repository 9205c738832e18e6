/**
 * Addresses for networks that are not weft's (`docker.ipamOnly`): another driver of the engine, macvlan say, uses our
 * address driver. weft never learns of its networks and endpoints, so that nothing here is timed: an address ends when
 * it is released, and with its pool. Pools of one subnet and one name share their addresses across all hosts.
 */
import { parseAddress } from '../../model/address/address.ts';
import { formatAddress } from '../../model/address/address.ts';
import { formatCidr, parseCidr } from '../../model/address/cidr.ts';
import { WeftError } from '../../model/errors.ts';
import { allocate, defaultGateway, poolOf, withPrefix } from '../../model/ipam/pool.ts';
import type { AllocationFailure, Pool } from '../../model/ipam/pool.ts';
import { keys, prefixes } from '../../model/keys.ts';
import { hash64 } from '../../model/names.ts';
import type { AddressRecord } from '../../model/objects.ts';
import { checkAddressIn } from '../../model/validate.ts';
import type { Compare, Operation } from '../../store/port.ts';
import { addressRecord, moveAddress } from '../addresses.ts';
import type { Decision } from '../commit.ts';
import type { ControlDeps } from '../context.ts';
import { DEFAULT_TENANT } from '../tenants.ts';
import { mustCidr, poolsOfNode } from './pools.ts';
import type { PoolRecord } from './pools.ts';
import type { AddressWish } from './pool-addresses.ts';

/** What a pool that goes takes with it in one transaction; more would be leaks of leaks. */
const MOST_LEFT = 50;

export function requestLoose(deps: ControlDeps, pool: PoolRecord, wish: AddressWish): Decision<{ address: string }> {
  const cidr = mustCidr(pool.cidr);
  const wanted = wish.address && checkAddressIn('Address', wish.address, cidr);
  const grant = grantLoose(deps, pool, { wanted, name: wish.name });
  const reserved = wanted ? [...new Set([...pool.reserved, wanted])] : pool.reserved;
  const changed = writePool(deps, pool, reserved);
  return {
    compare: [...grant.compare, ...changed.compare],
    then: [...grant.then, ...changed.then],
    result: { address: grant.cidr },
  };
}

export function releaseLoose(deps: ControlDeps, pool: PoolRecord, address: string): Decision<undefined> {
  const scope = scopeOf(pool);
  const record = deps.view.value<AddressRecord>(keys.address(scope, address));
  if (record?.state !== 'held' || record.node !== deps.node.id) return { compare: [], then: [], result: undefined };
  const moved = moveAddress(deps, scope, address, { state: 'resting', endpoint: null });
  const changed = writePool(
    deps,
    pool,
    pool.reserved.filter((other) => other !== address),
  );
  return {
    compare: [...moved.compare, ...changed.compare],
    then: [...moved.then, ...changed.then],
    result: undefined,
  };
}

/**
 * What ends with a pool that no network took, or that one takes now: the auxiliary addresses of the latter were asked for
 * as any other, and are the network's own from here on.
 */
export function endLoose(deps: ControlDeps, pool: PoolRecord): { compare: Compare[]; then: Operation[] } {
  const scope = scopeOf(pool);
  const shared = poolsOfNode(deps).some(
    (other) => other.id !== pool.id && other.taken === null && scopeOf(other) === scope,
  );
  const mine = deps.view
    .list<AddressRecord>(prefixes.addressesOf(scope))
    .filter(({ node, address }) => node === deps.node.id && (!shared || pool.reserved.includes(address)))
    .slice(0, MOST_LEFT)
    .map(({ address }) => keys.address(scope, address));
  return {
    compare: mine.map((key) => ({ key, revision: deps.view.revisionOf(key) })),
    then: mine.map((key) => ({ delete: key })),
  };
}

function writePool(deps: ControlDeps, pool: PoolRecord, reserved: string[]) {
  const key = keys.pool(pool.node, pool.id);
  return {
    compare: [{ key, revision: deps.view.revisionOf(key) }],
    then: reserved.length === pool.reserved.length ? [] : [{ put: key, value: { ...pool, reserved } }],
  };
}

/** In place of a network's id in the keys of its addresses; no id of a network has a hyphen. */
function scopeOf(pool: PoolRecord): string {
  return `ipam-${hash64([pool.addressSpace, pool.tenant, pool.network, pool.cidr].join('|')).toString(16)}`;
}

/** By compare-and-swap of the address itself: nobody owns blocks of another driver's network. */
function grantLoose(deps: ControlDeps, record: PoolRecord, wish: { wanted: string; name: string | undefined }) {
  const scope = scopeOf(record);
  const gateway = record.gateway ?? defaultGateway(mustCidr(record.cidr));
  const pool = poolOf({ cidr: record.cidr, gateway, reserved: [] });
  const wanted = wish.wanted ? parseAddress(wish.wanted) : undefined;
  const range = record.range ? parseCidr(record.range) : undefined;
  const known = (value: bigint) =>
    deps.view.value<AddressRecord>(keys.address(scope, formatAddress({ family: pool.cidr.family, value })));
  const allocation = allocate(
    pool,
    { seed: deps.node.id, ...(wanted ? { wanted } : {}), ...(range ? { range } : {}) },
    (value) => {
      const other = known(value);
      const back = wanted !== undefined && other?.state === 'resting' && other.node === deps.node.id;
      return other !== undefined && !back;
    },
  );
  if (!allocation.ok) throw refusal(record, pool, allocation, wish.wanted);
  const address = formatAddress(allocation.address);
  const key = keys.address(scope, address);
  const value = addressRecord(deps, scope, address, { state: 'held', endpoint: null, name: wish.name });
  return {
    cidr: withPrefix(pool, allocation.address),
    compare: [{ key, revision: deps.view.revisionOf(key) }],
    then: [{ put: key, value }],
  };
}

function refusal(record: PoolRecord, pool: Pool, failure: AllocationFailure, wanted: string): WeftError {
  const object = `${record.tenant || DEFAULT_TENANT}/${record.network || record.cidr}`;
  const cidr = formatCidr(pool.cidr);
  switch (failure.reason) {
    case 'exhausted':
      return new WeftError('pool-exhausted', `${object}: all addresses of ${record.range || cidr} are taken`, {
        object,
      });
    case 'taken':
      return new WeftError('address-taken', `${wanted} of ${object} is taken`, { object });
    case 'outside':
    case 'reserved':
      return new WeftError('address-outside', `${wanted} is no address for endpoints of ${cidr} of ${object}`, {
        object,
      });
  }
}
