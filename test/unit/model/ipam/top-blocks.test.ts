import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAddress } from '../../../../src/model/address/address.ts';
import { formatCidr, overlaps, parseCidr } from '../../../../src/model/address/cidr.ts';
import type { Cidr } from '../../../../src/model/address/cidr.ts';
import { defaultGateway, poolOf } from '../../../../src/model/ipam/pool.ts';
import { candidateBlocks, topBlockOf } from '../../../../src/model/ipam/top-blocks.ts';

const pool = (cidr: string, reserved: string[] = []) =>
  poolOf({ cidr, gateway: defaultGateway(parseCidr(cidr)!), reserved });
const value = (text: string) => parseAddress(text)!.value;

describe('the blocks of a pool', () => {
  it('are met once each, in an order of the seed', () => {
    const prefix = fc.integer({ min: 16, max: 30 });
    fc.assert(
      fc.property(prefix, fc.string(), (length, seed) => {
        const all = [...candidateBlocks(pool(`10.0.0.0/${length}`), seed)].map(formatCidr);
        expect(new Set(all).size).toBe(all.length);
        expect(all.length).toBe(Math.min(2 ** Math.ceil((32 - length) / 2), 2 ** (30 - length)));
      }),
    );
    const order = (seed: string) => [...candidateBlocks(pool('10.0.0.0/16'), seed)].map(formatCidr);
    expect(order('one')).not.toEqual(order('two'));
  });

  it('are found one after the other in pools of any size', () => {
    for (const cidr of ['10.0.0.0/8', 'fd00:1::/64']) {
      const whole = pool(cidr);
      const found: Cidr[] = [];
      for (const block of candidateBlocks(whole, 'a seed')) if (found.push(block) === 3) break;
      expect(found.map((block) => topBlockOf(whole, block.first))).toEqual(found);
    }
  });

  it('are limited to a range that is asked for', () => {
    const whole = pool('10.0.0.0/16');
    const within = (range: string) => [...candidateBlocks(whole, 'x', parseCidr(range))].map(formatCidr).sort();
    expect(within('10.0.4.0/23')).toEqual(['10.0.4.0/24', '10.0.5.0/24']);
    expect(within('10.0.7.64/30')).toEqual(['10.0.7.0/24']);
    expect(within('10.0.0.0/8')).toHaveLength(256);
    expect(within('10.1.0.0/24')).toEqual([]);
  });

  it('are passed over when no endpoint can have an address in them', () => {
    const reserved = parseCidr('10.0.0.128/25')!;
    const found = [...candidateBlocks(pool('10.0.0.0/24', ['10.0.0.128/25']), 'x')];
    expect(found).toHaveLength(8);
    expect(found.some((block) => overlaps(block, reserved))).toBe(false);
  });

  it('hold the addresses that endpoints can have, for IPv6 those of the low 32 bits', () => {
    expect(formatCidr(topBlockOf(pool('10.0.0.0/16'), value('10.0.9.77'))!)).toBe('10.0.9.0/24');
    expect(topBlockOf(pool('10.0.0.0/16'), value('10.1.0.1'))).toBeUndefined();
    expect(formatCidr(topBlockOf(pool('fd00:1::/64'), value('fd00:1::5:6'))!)).toBe('fd00:1::5:0/112');
    expect(topBlockOf(pool('fd00:1::/64'), value('fd00:1::1:0:0'))).toBeUndefined();
  });
});
