import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cidrOf, formatCidr, parseCidr } from '../../../../src/model/address/cidr.ts';
import { cidrFrom, freeBlock, freeParts, mergeParts, ownedParts, partOf } from '../../../../src/model/ipam/blocks.ts';
import type { BlockRecord } from '../../../../src/model/ipam/blocks.ts';
import {
  MAX_PARTS,
  carve,
  claimAddress,
  claimFreePart,
  claimWhole,
  giveBack,
  giveBackAll,
} from '../../../../src/model/ipam/claims.ts';
import type { Claim } from '../../../../src/model/ipam/claims.ts';
import { poolOf } from '../../../../src/model/ipam/pool.ts';
import { sizeOf, spanOf } from '../../../../src/model/ipam/spans.ts';

const cidr = (text: string) => parseCidr(text)!;
const at = (text: string) => cidr(`${text}/32`).first;
const node = (name: string) => ({ node: name, epoch: 1 });
const pool = poolOf({ cidr: '10.0.0.0/24', gateway: '10.0.0.1', reserved: [] });
const top = cidr('10.0.0.16/28');
const free = freeBlock('web', top);

function done(claim: Claim): BlockRecord {
  if (!claim.ok) throw new Error(claim.reason);
  return claim.record;
}

/** Who owns each address of the block, asked one by one. */
function ownersOf(record: BlockRecord): (string | undefined)[] {
  return Array.from({ length: 16 }, (_, i) => partOf(record, top.first + BigInt(i))?.owner);
}

describe('a block', () => {
  it('is claimed whole by the first who asks', () => {
    const record = done(claimWhole(free, node('a')));
    expect(record).toEqual({
      network: 'web',
      cidr: '10.0.0.16/28',
      parts: [{ cidr: '10.0.0.16/28', owner: 'a', epoch: 1 }],
    });
    expect(claimWhole(record, node('b'))).toEqual({ ok: false, reason: 'owned', owner: 'a' });
    expect(freeParts(record)).toEqual([]);
  });

  it('gives single addresses where it is free', () => {
    const one = done(claimAddress(free, at('10.0.0.21'), node('b')));
    expect(one.parts.map((part) => part.cidr)).toEqual(['10.0.0.21/32']);
    expect(claimAddress(one, at('10.0.0.21'), node('a'))).toMatchObject({ reason: 'owned', owner: 'b' });
    expect(claimAddress(one, at('10.0.0.32'), node('a'))).toMatchObject({ reason: 'outside' });
    expect(claimWhole(one, node('a'))).toMatchObject({ reason: 'owned', owner: 'b' });
  });

  it('gives the largest part that is free, or what of a range is', () => {
    const one = done(claimAddress(free, at('10.0.0.21'), node('b')));
    expect(claimFreePart(one, pool, node('a'))).toMatchObject({ ok: true, part: cidr('10.0.0.24/29') });
    expect(claimFreePart(one, pool, node('a'), cidr('10.0.0.20/30'))).toMatchObject({ part: cidr('10.0.0.22/31') });
    expect(claimFreePart(one, pool, node('a'), cidr('10.0.0.21/32'))).toMatchObject({ reason: 'full' });
  });

  it('has no part to give that only holds addresses which no endpoint can have', () => {
    const first = freeBlock('web', cidr('10.0.0.0/28'));
    const rest = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15].reduce(
      (record, last) => done(claimAddress(record, at(`10.0.0.${last}`), node('a'))),
      first,
    );
    expect(freeParts(rest).map(formatCidr)).toEqual(['10.0.0.0/31']);
    expect(claimFreePart(rest, pool, node('b'))).toMatchObject({ reason: 'full' });
  });

  it('is split by its owner only, into the fewest parts, and is whole again when they come back', () => {
    const whole = done(claimWhole(free, node('a')));
    const split = done(carve(whole, { from: 'a', to: node('b'), cidr: cidr('10.0.0.21/32') }));
    expect(split.parts).toEqual([
      { cidr: '10.0.0.16/30', owner: 'a', epoch: 1 },
      { cidr: '10.0.0.20/32', owner: 'a', epoch: 1 },
      { cidr: '10.0.0.21/32', owner: 'b', epoch: 1 },
      { cidr: '10.0.0.22/31', owner: 'a', epoch: 1 },
      { cidr: '10.0.0.24/29', owner: 'a', epoch: 1 },
    ]);
    expect(carve(split, { from: 'a', to: node('c'), cidr: cidr('10.0.0.20/31') })).toMatchObject({
      reason: 'not-owner',
    });
    expect(carve(split, { from: 'c', to: node('a'), cidr: cidr('10.0.0.20/32') })).toMatchObject({
      reason: 'not-owner',
    });
    expect(done(carve(split, { from: 'b', to: node('a'), cidr: cidr('10.0.0.21/32') }))).toEqual(whole);
    expect(giveBack(split, 'b', cidr('10.0.0.20/31'))).toMatchObject({ reason: 'not-owner' });
    const returned = done(giveBack(split, 'b', cidr('10.0.0.21/32')));
    expect(freeParts(returned)).toEqual([cidr('10.0.0.21/32')]);
    expect(giveBackAll(split, 'a').parts.map((part) => part.cidr)).toEqual(['10.0.0.21/32']);
  });

  it('keeps parts of one owner apart when it got them in different epochs', () => {
    const old = done(claimAddress(free, at('10.0.0.20'), { node: 'a', epoch: 1 }));
    const both = done(claimAddress(old, at('10.0.0.21'), { node: 'a', epoch: 2 }));
    expect(both.parts.map((part) => part.epoch)).toEqual([1, 2]);
    expect(ownedParts(both, 'a')).toHaveLength(2);
  });

  it('refuses to be split without end', () => {
    const large = freeBlock('web', cidr('10.0.0.0/20'));
    const parts = Array.from({ length: MAX_PARTS }, (_, i) => ({
      cidr: formatCidr(cidrOf({ family: 4, value: at('10.0.0.0') + BigInt(2 * i) }, 32)),
      owner: 'a',
      epoch: 1,
    }));
    const full: BlockRecord = { ...large, parts };
    expect(claimAddress(full, at('10.0.15.1'), node('a'))).toEqual({
      ok: false,
      reason: 'too-many-parts',
      limit: MAX_PARTS,
    });
    expect(claimAddress(full, at('10.0.0.1'), node('a'))).toMatchObject({ ok: true });
  });

  it('never loses or doubles an address, whatever is claimed, split and given back', () => {
    const step = fc.record({
      kind: fc.constantFrom('whole', 'address', 'free', 'carve', 'back', 'forget'),
      node: fc.constantFrom('a', 'b', 'c'),
      to: fc.constantFrom('a', 'b', 'c'),
      offset: fc.bigInt({ min: 0n, max: 15n }),
      prefix: fc.integer({ min: 28, max: 32 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let record = free;
        for (const { kind, node: by, to, offset, prefix } of steps) {
          const before = ownersOf(record);
          const part = cidrOf({ family: 4, value: top.first + offset }, prefix);
          const claim: Claim = {
            whole: () => claimWhole(record, node(by)),
            address: () => claimAddress(record, top.first + offset, node(by)),
            free: () => claimFreePart(record, pool, node(by), prefix < 32 ? part : undefined),
            carve: () => carve(record, { from: by, to: node(to), cidr: part }),
            back: () => giveBack(record, by, part),
            forget: (): Claim => ({ ok: true, record: giveBackAll(record, by), part: top }),
          }[kind]();
          if (!claim.ok) continue;
          record = claim.record;
          const moved = spanOf(claim.part);
          for (const [i, owner] of ownersOf(record).entries()) {
            const address = top.first + BigInt(i);
            const inside = address >= moved.first && address <= moved.last;
            const expected = {
              whole: by,
              address: by,
              free: by,
              carve: to,
              back: undefined,
              forget: before[i] === by ? undefined : before[i],
            }[kind];
            expect(owner).toBe(inside ? expected : before[i]);
            if (inside && (kind === 'whole' || kind === 'address' || kind === 'free'))
              expect(before[i]).toBeUndefined();
            if (inside && (kind === 'carve' || kind === 'back')) expect(before[i]).toBe(by);
          }
          const owned = record.parts.map((one) => spanOf(cidrFrom(one.cidr)));
          expect(sizeOf(owned) + sizeOf(freeParts(record).map(spanOf))).toBe(16n);
          expect(mergeParts(record.parts)).toEqual(record.parts);
        }
      }),
    );
  });
});
