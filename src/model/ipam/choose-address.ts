/**
 * Which address an asker gets out of the space that its node owns. Pure: it neither writes nor claims; when the space is
 * full, the caller gets more of it (candidateBlocks, claims) and asks again.
 *
 * In this order: the wish; an address that was the asker's and rests; a free one, going round the space, so that one just
 * given up is not the next one given; of free ones those last that somebody had by configuration, who would be refused when
 * it comes back, as all do at a boot; the one whose rest ended longest ago.
 */
import type { Address } from '../address/address.ts';
import { contains } from '../address/cidr.ts';
import type { Cidr } from '../address/cidr.ts';
import type { AddressEntry, AddressTable } from './address-table.ts';
import { spansWithin } from './owned-space.ts';
import type { OwnedSpace } from './owned-space.ts';
import { sizeOf } from './spans.ts';
import type { Span } from './spans.ts';
import { topBlockOf } from './top-blocks.ts';

export interface AddressRequest {
  /** exactly this address */
  wanted?: Address;
  /** without a wish: only from this part of the pool */
  range?: Cidr;
  /** the asker as `AddressEntry.former` has it */
  former?: string;
  /** the address given last: free ones are looked for from the next one on */
  after?: bigint;
  /** whether this asker may have a resting address that was not its own; absent: none */
  restOver?: (entry: AddressEntry, address: bigint) => boolean;
}

export type ChoiceFailure =
  /** no address of this pool, or none that endpoints can have */
  | { ok: false; reason: 'outside' }
  | { ok: false; reason: 'reserved' }
  /** bound or held */
  | { ok: false; reason: 'taken'; entry: AddressEntry }
  | { ok: false; reason: 'resting'; entry: AddressEntry }
  /** the wish lies in this top block, in a part of another's or in free space: partOf() of its record tells */
  | { ok: false; reason: 'not-owned'; top: Cidr }
  /** `capacity` is of what was asked for (the range, or all that is owned), `resting` cannot be given yet */
  | { ok: false; reason: 'exhausted-here'; capacity: bigint; resting: bigint };

export type Choice = { ok: true; address: Address; way: 'wish' | 'former' | 'free' | 'rested' } | ChoiceFailure;

export function chooseAddress(space: OwnedSpace, table: AddressTable, request: AddressRequest): Choice {
  if (request.wanted) return grantWish(space, table, { ...request, wanted: request.wanted });
  const spans = spansWithin(space, request.range);
  const given = (value: bigint, way: 'former' | 'free' | 'rested'): Choice => {
    return { ok: true, address: { family: space.pool.cidr.family, value }, way };
  };
  const own = formerOf(spans, table, request.former);
  if (own !== undefined) return given(own, 'former');
  const free =
    nextFree(spans, table, request.after, 'firstUnwanted') ?? nextFree(spans, table, request.after, 'firstFree');
  if (free !== undefined) return given(free, 'free');
  const resting = [...table.resting()].filter(({ address }) => isIn(spans, address));
  const rested = longestRested(resting, request.restOver);
  if (rested !== undefined) return given(rested, 'rested');
  return { ok: false, reason: 'exhausted-here', capacity: sizeOf(spans), resting: BigInt(resting.length) };
}

function grantWish(space: OwnedSpace, table: AddressTable, request: AddressRequest & { wanted: Address }): Choice {
  const { pool, spans } = space;
  const { wanted } = request;
  if (!contains(pool.cidr, wanted) || wanted.value < pool.low || wanted.value > pool.high) {
    return { ok: false, reason: 'outside' };
  }
  if (pool.reserved.some((range) => contains(range, wanted))) return { ok: false, reason: 'reserved' };
  const top = topBlockOf(pool, wanted.value);
  if (!top) return { ok: false, reason: 'outside' };
  if (!isIn(spans, wanted.value)) return { ok: false, reason: 'not-owned', top };
  const entry = table.get(wanted.value);
  if (!entry) return { ok: true, address: wanted, way: 'wish' };
  if (entry.state !== 'resting') return { ok: false, reason: 'taken', entry };
  const own = entry.former !== undefined && entry.former === request.former;
  if (own || request.restOver?.(entry, wanted.value)) return { ok: true, address: wanted, way: 'wish' };
  return { ok: false, reason: 'resting', entry };
}

function formerOf(spans: Span[], table: AddressTable, former: string | undefined): bigint | undefined {
  if (former === undefined) return undefined;
  return table.formerly(former).find((address) => isIn(spans, address));
}

/** The first free address behind `after`, going on at the beginning of the space. */
function nextFree(
  spans: Span[],
  table: AddressTable,
  after: bigint | undefined,
  which: 'firstUnwanted' | 'firstFree',
): bigint | undefined {
  const from = (after ?? -1n) + 1n;
  for (const { first, last } of spans) {
    if (last < from) continue;
    const found = table[which](first > from ? first : from, last);
    if (found !== undefined) return found;
  }
  for (const { first, last } of spans) {
    if (first >= from) return undefined;
    const found = table[which](first, last < from ? last : from - 1n);
    if (found !== undefined) return found;
  }
  return undefined;
}

function longestRested(
  resting: { address: bigint; entry: AddressEntry }[],
  restOver: AddressRequest['restOver'],
): bigint | undefined {
  let longest: { address: bigint; entry: AddressEntry } | undefined;
  for (const one of resting) {
    if (longest && one.entry.since >= longest.entry.since) continue;
    if (restOver?.(one.entry, one.address)) longest = one;
  }
  return longest?.address;
}

function isIn(spans: Span[], address: bigint): boolean {
  return spans.some(({ first, last }) => address >= first && address <= last);
}
