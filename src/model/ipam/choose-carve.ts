/**
 * Which part of its space an owner parts with when another node has none left: the largest aligned range in which nothing
 * is used, but no more than half of what is free, so that neither has to ask again at once. Down to the last free address.
 */
import { BITS } from '../address/address.ts';
import type { Cidr } from '../address/cidr.ts';
import type { AddressTable } from './address-table.ts';
import { spansWithin } from './owned-space.ts';
import type { OwnedSpace } from './owned-space.ts';
import { cidrsOf, sizeOf } from './spans.ts';
import type { Span } from './spans.ts';
import { topPrefix } from './top-blocks.ts';

/** undefined: everything that is owned, or owned in `range`, is used. Resting addresses count as used. */
export function chooseCarve(space: OwnedSpace, table: AddressTable, range?: Cidr): Cidr | undefined {
  const { family } = space.pool.cidr;
  const free = spansWithin(space, range).flatMap((span) => freeRuns(table, span));
  const half = sizeOf(free) / 2n;
  let best: Cidr | undefined;
  for (const cidr of cidrsOf(family, free)) if (!best || cidr.prefix < best.prefix) best = cidr;
  if (!best) return undefined;
  // A carve is one change of one record, so it stays within a top block.
  let prefix = Math.max(best.prefix, topPrefix(space.pool));
  while (prefix < BITS[family] && 1n << BigInt(BITS[family] - prefix) > half) prefix++;
  // The upper end of it: an owner's own addresses grow from below.
  const rest = (1n << BigInt(BITS[family] - best.prefix)) - (1n << BigInt(BITS[family] - prefix));
  return { family, first: best.first + rest, prefix };
}

/** Whether nothing in the part is used, so that it can be given back. */
export function isUnused(table: AddressTable, part: Span): boolean {
  return table.firstTaken(part.first, part.last) === undefined;
}

function freeRuns(table: AddressTable, span: Span): Span[] {
  const runs: Span[] = [];
  for (let at = table.firstFree(span.first, span.last); at !== undefined;) {
    const end = table.firstTaken(at, span.last);
    runs.push({ first: at, last: end === undefined ? span.last : end - 1n });
    at = end === undefined ? undefined : table.firstFree(end, span.last);
  }
  return runs;
}
