import { expect, it } from 'vitest';
import { parseAddress } from '../../../../src/model/address/address.ts';
import { poolOf } from '../../../../src/model/ipam/pool.ts';
import { percentUsed, totalUsage, usage } from '../../../../src/model/ipam/usage.ts';

const record = (text: string, state: 'bound' | 'held' | 'resting') => ({ address: parseAddress(text)!.value, state });

it('usage tells bound, held and resting addresses apart, and what is left of what endpoints can have', () => {
  const pool = poolOf({ cidr: '10.0.0.0/28', gateway: '10.0.0.1', reserved: ['10.0.0.8/30'] });
  const used = usage(pool, [
    record('10.0.0.2', 'bound'),
    record('10.0.0.3', 'bound'),
    record('10.0.0.4', 'held'),
    record('10.0.0.5', 'resting'),
    // reserved since it was bound
    record('10.0.0.9', 'bound'),
  ]);
  expect(used).toEqual({ bound: 3n, held: 1n, resting: 1n, free: 5n, capacity: 9n });
  expect(percentUsed(used)).toBe(44);
  expect(percentUsed(totalUsage([used, used]))).toBe(44);
  expect(percentUsed(totalUsage([]))).toBe(100);
});
