/** Which of a node's blocks it can do without: empty ones, as long as what stays is enough for what it has and more. */
import { lastOf } from '../address/cidr.ts';
import type { Cidr } from '../address/cidr.ts';
import type { AddressTable } from './address-table.ts';
import { isUnused } from './choose-carve.ts';
import { isAmple, usedOf } from './owned-space.ts';
import type { OwnedSpace } from './owned-space.ts';
import { usableIn } from './pool.ts';
import type { Pool } from './pool.ts';
import { cidrsOf, joined, sizeOf, spanOf, within } from './spans.ts';
import type { Span } from './spans.ts';
import { topBlockOf } from './top-blocks.ts';

/** What a node owns of one top block: a part of it, or all. */
export interface OwnedBlock {
  top: Cidr;
  parts: Cidr[];
  /** how many addresses endpoints can have of it */
  size: bigint;
}

/** Of all that the node owns in the pool, in order of size, so that the largest stays. */
export function spareBlocks(space: OwnedSpace, blocks: readonly OwnedBlock[], table: AddressTable): OwnedBlock[] {
  if (blocks.length < 2) return [];
  const used = usedOf(space, table);
  let { capacity } = space;
  return blocks.filter(({ parts, size }) => {
    if (size === capacity || !isAmple(capacity - size, used)) return false;
    if (!parts.every((part) => isUnused(table, spanOf(part)))) return false;
    capacity -= size;
    return true;
  });
}

/** By size. `parts`: of the node, also those of other pools. */
export function ownedBlocks(pool: Pool, parts: readonly Cidr[]): OwnedBlock[] {
  const { family } = pool.cidr;
  const owned = parts.filter((part) => part.family === family).map(spanOf);
  const blocks = new Map<bigint, { top: Cidr; spans: Span[] }>();
  for (const { first, last } of within(joined(owned), spanOf(pool.cidr))) {
    for (let at = first; at <= last;) {
      const top = topBlockOf(pool, at);
      if (!top) break;
      const end = lastOf(top);
      const block = blocks.get(top.first) ?? { top, spans: [] };
      block.spans.push({ first: at, last: end < last ? end : last });
      blocks.set(top.first, block);
      at = end + 1n;
    }
  }
  return [...blocks.values()]
    .map(({ top, spans }) => {
      const parts = cidrsOf(family, spans);
      return { top, parts, size: sizeOf(parts.flatMap((part) => usableIn(pool, part))) };
    })
    .sort((a, b) => (a.size < b.size ? -1 : a.size > b.size ? 1 : 0));
}
