import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatCidr, parseCidr } from '../../../../src/model/address/cidr.ts';
import { AddressTable } from '../../../../src/model/ipam/address-table.ts';
import { isAmple, needsAnother, ownedSpace, usedOf } from '../../../../src/model/ipam/owned-space.ts';
import { poolOf } from '../../../../src/model/ipam/pool.ts';
import { ownedBlocks, spareBlocks } from '../../../../src/model/ipam/spare-blocks.ts';
import { spanOf } from '../../../../src/model/ipam/spans.ts';

const cidr = (text: string) => parseCidr(text)!;
const pool = poolOf({ cidr: '10.0.0.0/24', gateway: '10.0.0.1', reserved: [] });

/** `used`: last bytes. */
function spare(owned: string[], used: number[]) {
  const parts = owned.map(cidr);
  const table = new AddressTable(pool);
  for (const last of used) table.set(pool.cidr.first + BigInt(last), { state: 'resting', since: 0 });
  return spareBlocks(ownedSpace(pool, parts), ownedBlocks(pool, parts), table).map((block) =>
    block.parts.map(formatCidr).join(' '),
  );
}

describe('blocks that a node can do without', () => {
  it('are those in which nothing is used or at rest', () => {
    expect(spare(['10.0.0.16/28', '10.0.0.32/28', '10.0.0.48/28'], [17, 50])).toEqual(['10.0.0.32/28']);
    // as the journal has what touches
    expect(spare(['10.0.0.16/28', '10.0.0.32/27'], [17, 50])).toEqual(['10.0.0.32/28']);
    expect(spare(['10.0.0.32/27', '10.0.0.64/26', '10.9.0.0/28', 'fd00::/64'], [33, 65])).toEqual([
      ...['10.0.0.48/28', '10.0.0.80/28', '10.0.0.96/28', '10.0.0.112/28'],
    ]);
  });

  it('are not all, and the largest stays', () => {
    expect(spare(['10.0.0.16/28'], [])).toEqual([]);
    expect(spare(['10.0.0.16/28', '10.0.0.40/29', '10.0.0.52/32'], [])).toEqual(['10.0.0.52/32', '10.0.0.40/29']);
    expect(spare(['10.0.0.36/30', '10.0.0.44/30', '10.0.0.16/28'], [])).toEqual(['10.0.0.36/30 10.0.0.44/30']);
  });

  it('leave as much free as is used', () => {
    const half = Array.from({ length: 8 }, (_, i) => 16 + i);
    expect(spare(['10.0.0.16/28', '10.0.0.32/28'], half)).toEqual(['10.0.0.32/28']);
    expect(spare(['10.0.0.16/28', '10.0.0.32/28'], [...half, 24])).toEqual([]);
  });

  it('are never used, and what stays is not so little that more is claimed at once', () => {
    const last = fc.nat(15).map((i) => `10.0.0.${i * 16}/28`);
    fc.assert(
      fc.property(fc.uniqueArray(last, { minLength: 1 }), fc.array(fc.integer({ min: 1, max: 254 })), (owned, used) => {
        const parts = owned.map(cidr);
        const table = new AddressTable(pool);
        for (const byte of used) table.set(pool.cidr.first + BigInt(byte), { state: 'bound', since: 0 });
        const gone = spareBlocks(ownedSpace(pool, parts), ownedBlocks(pool, parts), table).flatMap(
          (block) => block.parts,
        );
        for (const part of gone) expect(table.taken(spanOf(part).first, spanOf(part).last)).toBe(0n);
        if (gone.length === 0) return;
        const texts = gone.map(formatCidr);
        const left = ownedSpace(
          pool,
          parts.filter((part) => !texts.includes(formatCidr(part))),
        );
        expect(left.capacity).toBeGreaterThan(0n);
        expect(isAmple(left.capacity, usedOf(left, table))).toBe(true);
        expect(needsAnother(left.capacity, usedOf(left, table))).toBe(false);
      }),
    );
  });
});
