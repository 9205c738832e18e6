/**
 * A pool is cut into equal blocks, about as many as one block has addresses. They are found by arithmetic, since a /8 has
 * 4,096 of them and a /64 65,536: nothing here lists them all, and nothing of them is stored before somebody owns a part.
 */
import { BITS } from '../address/address.ts';
import { cidrOf, contains, overlaps } from '../address/cidr.ts';
import type { Cidr } from '../address/cidr.ts';
import { hash64 } from '../names.ts';
import { blockPrefix, usableIn } from './pool.ts';
import type { Pool } from './pool.ts';

/** The block of the pool that holds the address; undefined where no endpoint can be (outside; IPv6 beyond the low 32 bits). */
export function topBlockOf(pool: Pool, address: bigint): Cidr | undefined {
  const asked = { family: pool.cidr.family, value: address };
  return contains(blocksRange(pool), asked) ? cidrOf(asked, topPrefix(pool)) : undefined;
}

/**
 * The pool's blocks that have an address for endpoints, each once; with `range`, only those that meet it. Askers with
 * different seeds (node ids) go through them in different orders, so that they seldom want the same one.
 */
export function* candidateBlocks(pool: Pool, seed: string, range?: Cidr): Generator<Cidr> {
  const { family } = pool.cidr;
  const prefix = topPrefix(pool);
  const area = areaOf(pool, range);
  if (!area) return;
  const count = 1n << BigInt(Math.max(0, prefix - area.prefix));
  const hash = hash64(seed);
  // The count is a power of two: every odd step meets each block once.
  const step = (hash >> 32n) | 1n;
  for (let i = 0n; i < count; i++) {
    const index = (hash + i * step) % count;
    const first = area.first + (index << BigInt(BITS[family] - prefix));
    const block = cidrOf({ family, value: first }, prefix);
    if (usableIn(pool, block).length > 0) yield block;
  }
}

/** The part of the pool that both blocks and `range` lie in: of two CIDRs that meet, one holds the other. */
function areaOf(pool: Pool, range: Cidr | undefined): Cidr | undefined {
  const all = blocksRange(pool);
  if (!range) return all;
  if (!overlaps(all, range)) return undefined;
  return range.prefix > all.prefix ? range : all;
}

/** The whole pool, for IPv6 at most its low 32 bits. */
function blocksRange(pool: Pool): Cidr {
  const prefix = Math.max(pool.cidr.prefix, BITS[pool.cidr.family] - 32);
  return { family: pool.cidr.family, first: pool.cidr.first, prefix };
}

/** Prefix length of the pool's blocks. */
export function topPrefix(pool: Pool): number {
  return blockPrefix(pool.cidr.family, pool.cidr.prefix);
}
