/** What one node can give to endpoints in one pool: the parts it owns, less what no endpoint can have. */
import type { Cidr } from '../address/cidr.ts';
import type { AddressTable } from './address-table.ts';
import { usableIn } from './pool.ts';
import type { Pool } from './pool.ts';
import { joined, sizeOf, spanOf, within } from './spans.ts';
import type { Span } from './spans.ts';

export interface OwnedSpace {
  pool: Pool;
  /** sorted, apart from each other */
  spans: Span[];
  capacity: bigint;
}

/** To be made anew when the node's parts or the network's reserved ranges change, not for each address. */
export function ownedSpace(pool: Pool, parts: Iterable<Cidr>): OwnedSpace {
  const spans = joined([...parts].flatMap((part) => usableIn(pool, part)));
  return { pool, spans, capacity: sizeOf(spans) };
}

/** The part of the space that a request is limited to. */
export function spansWithin(space: OwnedSpace, range: Cidr | undefined): Span[] {
  return range ? within(space.spans, spanOf(range)) : space.spans;
}

export function usedOf(space: OwnedSpace, table: AddressTable): bigint {
  return space.spans.reduce((sum, { first, last }) => sum + table.taken(first, last), 0n);
}

/** Time to claim more: three quarters are used, so that what is left lasts until the claim is through. */
export function needsAnother(capacity: bigint, used: bigint): boolean {
  return used * 4n >= capacity * 3n;
}

/** So much more than is used that the node can do without the rest, and does not claim it again at once. */
export function isAmple(capacity: bigint, used: bigint): boolean {
  return used * 2n <= capacity;
}
