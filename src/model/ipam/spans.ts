/**
 * Sets of addresses as sorted, disjoint spans. Sums and differences of space are made on spans and only then cut into
 * CIDRs: so every result is the smallest set of CIDRs, whatever was split and joined on the way.
 */
import { BITS } from '../address/address.ts';
import type { Family } from '../address/address.ts';
import { lastOf } from '../address/cidr.ts';
import type { Cidr } from '../address/cidr.ts';

export interface Span {
  first: bigint;
  /** inclusive */
  last: bigint;
}

export function spanOf(cidr: Cidr): Span {
  return { first: cidr.first, last: lastOf(cidr) };
}

/** Sorts, and joins what overlaps or touches. */
export function joined(spans: Iterable<Span>): Span[] {
  const sorted = [...spans].sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  const result: Span[] = [];
  for (const span of sorted) {
    const previous = result.at(-1);
    if (previous && span.first <= previous.last + 1n) {
      if (span.last > previous.last) previous.last = span.last;
    } else {
      result.push({ ...span });
    }
  }
  return result;
}

/** What is in `spans` and in none of `less`; both in any order. */
export function without(spans: Iterable<Span>, less: Iterable<Span>): Span[] {
  const holes = joined(less);
  const result: Span[] = [];
  for (const { first, last } of joined(spans)) {
    let at = first;
    for (const hole of holes) {
      if (hole.last < at) continue;
      if (hole.first > last) break;
      if (hole.first > at) result.push({ first: at, last: hole.first - 1n });
      at = hole.last + 1n;
    }
    if (at <= last) result.push({ first: at, last });
  }
  return result;
}

/** The part of `spans` that lies in `bounds`. */
export function within(spans: Iterable<Span>, bounds: Span): Span[] {
  return joined(spans).flatMap(({ first, last }) => {
    const low = first > bounds.first ? first : bounds.first;
    const high = last < bounds.last ? last : bounds.last;
    return low <= high ? [{ first: low, last: high }] : [];
  });
}

export function sizeOf(spans: Iterable<Span>): bigint {
  let sum = 0n;
  for (const { first, last } of spans) sum += last - first + 1n;
  return sum;
}

/** The fewest CIDRs that cover exactly these addresses, in order. */
export function cidrsOf(family: Family, spans: Iterable<Span>): Cidr[] {
  const result: Cidr[] = [];
  for (const { first, last } of joined(spans)) {
    for (let at = first; at <= last;) {
      let bits = 0;
      while (bits < BITS[family] && (at >> BigInt(bits)) % 2n === 0n && at + (2n << BigInt(bits)) - 1n <= last) bits++;
      result.push({ family, first: at, prefix: BITS[family] - bits });
      at += 1n << BigInt(bits);
    }
  }
  return result;
}
