/** How full a pool is, for people and for warnings. */
import type { AddressState } from '../objects.ts';
import { capacityOf, usableIn } from './pool.ts';
import type { Pool } from './pool.ts';

export interface Usage {
  bound: bigint;
  held: bigint;
  resting: bigint;
  free: bigint;
  /** what endpoints can have in all */
  capacity: bigint;
}

/** Of one subnet. An address that was reserved while it was in use counts as used, but is none of the free ones. */
export function usage(pool: Pool, records: Iterable<{ address: bigint; state: AddressState }>): Usage {
  const capacity = capacityOf(pool);
  const usable = usableIn(pool);
  const used: Usage = { bound: 0n, held: 0n, resting: 0n, free: capacity, capacity };
  for (const { address, state } of records) {
    used[state]++;
    if (usable.some(({ first, last }) => address >= first && address <= last)) used.free--;
  }
  return used;
}

/** Of several subnets together. */
export function totalUsage(usages: Iterable<Usage>): Usage {
  const total: Usage = { bound: 0n, held: 0n, resting: 0n, free: 0n, capacity: 0n };
  for (const one of usages) {
    for (const key of Object.keys(total) as (keyof Usage)[]) total[key] += one[key];
  }
  return total;
}

/** Whole percent of the addresses that are not free, rounded down: 100 only when none is. */
export function percentUsed({ capacity, free }: Usage): number {
  return capacity === 0n ? 100 : Number(((capacity - free) * 100n) / capacity);
}
