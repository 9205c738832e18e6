/**
 * Which pool a network is made of: Docker names its subnet, gateway and reserved addresses, but not the pool. Usually one
 * fits. Others of the same subnet belong to a create that goes on beside this one, or to one that broke off.
 */
import { isDeepStrictEqual } from 'node:util';
import { canonicalAddress } from '../../model/address/address.ts';
import { WeftError } from '../../model/errors.ts';
import { keys } from '../../model/keys.ts';
import type { ControlDeps } from '../context.ts';
import type { BindRequest } from './port.ts';
import { poolsOfNode } from './pools.ts';
import type { PoolRecord } from './pools.ts';

export const OUR_IPAM = 'create the network with --ipam-driver weft beside -d weft';

export interface Taken {
  pool: PoolRecord;
  /** false: another one fits as well and is the same in all that matters, so that the engine may mean that one */
  certain: boolean;
}

type SubnetWish = BindRequest['subnets'][number];

export function takePool(deps: ControlDeps, subnet: SubnetWish, names: { tenant: string; network: string }): Taken {
  const fitting = poolsOfNode(deps).filter(
    (pool) => pool.taken === null && pool.addressSpace === subnet.addressSpace && pool.cidr === subnet.cidr,
  );
  const best = Math.max(...fitting.map((pool) => likeness(pool, subnet, names)));
  const likely = fitting
    .filter((pool) => likeness(pool, subnet, names) === best)
    .sort((a, b) => lastWritten(deps, b) - lastWritten(deps, a));
  const [newest] = likely;
  if (!newest) {
    throw new WeftError('not-supported', `subnet ${subnet.cidr} does not come from weft's address driver`, {
      next: OUR_IPAM,
    });
  }
  if (likely.some((pool) => !isDeepStrictEqual(meaning(pool), meaning(newest)))) {
    const message = `${likely.length} networks with subnet ${subnet.cidr} are being made on this host`;
    throw new WeftError('store-conflict', message, { next: 'create them one after the other' });
  }
  return { pool: newest, certain: likely.length === 1 };
}

function lastWritten(deps: ControlDeps, pool: PoolRecord): number {
  return deps.view.revisionOf(keys.pool(pool.node, pool.id));
}

/** Names that agree weigh more than addresses: those of a broken create may be the same. */
function likeness(pool: PoolRecord, subnet: SubnetWish, names: { tenant: string; network: string }): number {
  const named = agree(pool.tenant, names.tenant) && agree(pool.network, names.network);
  const asked = (pool.gateway ?? '') === canonical(subnet.gateway) && sameSet(pool.reserved, subnet.reserved);
  return (named ? 2 : 0) + (asked ? 1 : 0);
}

function agree(one: string, other: string): boolean {
  return one === '' || other === '' || one === other;
}

function sameSet(one: string[], other: string[]): boolean {
  return isDeepStrictEqual(new Set(one), new Set(other.map(canonical)));
}

function canonical(address: string): string {
  return canonicalAddress(address) ?? address;
}

function meaning({ tenant, network, range, gateway }: PoolRecord) {
  return { tenant, network, range, gateway };
}
