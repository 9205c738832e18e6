/**
 * Which addresses of a subnet endpoints can have, and which one an asker gets. Pure: the taken addresses go in, an
 * address or a named failure comes out; who writes it down, and how, is control's.
 *
 * Endpoints never get the network address, the IPv4 broadcast address, the gateway or what a user reserved. An IPv6
 * subnet gives addresses of its low 32 bits only, so that MACs derived from them are unique (model/address/mac.ts).
 */
import { BITS, formatAddress } from '../address/address.ts';
import type { Address } from '../address/address.ts';
import { cidrSize, contains, lastOf, parseCidr, parseRange } from '../address/cidr.ts';
import type { Cidr } from '../address/cidr.ts';
import { hash64 } from '../names.ts';
import type { Subnet } from '../objects.ts';
import { sizeOf, spanOf, within, without } from './spans.ts';
import type { Span } from './spans.ts';

export interface Pool {
  /** of the subnet, as its record has it */
  name: string;
  cidr: Cidr;
  /** inclusive bounds of what endpoints can have, reserved ones still inside */
  low: bigint;
  high: bigint;
  reserved: Cidr[];
}

export type AllocationFailure =
  | { ok: false; reason: 'exhausted'; capacity: bigint }
  | { ok: false; reason: 'taken' }
  | { ok: false; reason: 'outside' }
  | { ok: false; reason: 'reserved' };

export type Allocation = { ok: true; address: Address } | AllocationFailure;

export interface AllocationRequest {
  /** exactly this address */
  wanted?: Address;
  /** without a wish: only from this part of the pool */
  range?: Cidr;
  /** askers with different seeds start their search in different blocks, so that they seldom meet */
  seed: string;
}

/** The subnet must be valid (model/validate.ts). */
export function poolOf(subnet: Subnet): Pool {
  const cidr = mustParse(parseCidr(subnet.cidr), subnet.cidr);
  const last = lastOf(cidr);
  const low32 = cidr.family === 6 && cidrSize(cidr) > 1n << 32n ? cidr.first + (1n << 32n) - 1n : last;
  return {
    name: subnet.cidr,
    cidr,
    low: cidr.first + 1n,
    high: cidr.family === 4 ? last - 1n : low32,
    reserved: mergeRanges([subnet.gateway, ...subnet.reserved].map((text) => mustParse(parseRange(text), text))),
  };
}

/** What endpoints can have of a part of the pool, or of all of it. */
export function usableIn(pool: Pool, part: Cidr = pool.cidr): Span[] {
  return without(within([spanOf(part)], { first: pool.low, last: pool.high }), pool.reserved.map(spanOf));
}

/** How many addresses endpoints can have. */
export function capacityOf(pool: Pool): bigint {
  return sizeOf(usableIn(pool));
}

/** `taken` answers whether an address is bound, held or resting for others. */
export function allocate(pool: Pool, request: AllocationRequest, taken: (address: bigint) => boolean): Allocation {
  if (request.wanted) return take(pool, request.wanted, taken);
  const low = clampLow(pool, request.range);
  const high = clampHigh(pool, request.range);
  if (high < low) return { ok: false, reason: 'exhausted', capacity: 0n };
  const start = startOf(pool, request.seed, low, high);
  for (const [from, to] of [
    [start, high],
    [low, start - 1n],
  ] as const) {
    for (let at = from; at <= to; at++) {
      const blocked = reservedRange(pool, at);
      if (blocked) at = lastOf(blocked);
      else if (!taken(at)) return { ok: true, address: { family: pool.cidr.family, value: at } };
    }
  }
  return { ok: false, reason: 'exhausted', capacity: capacityOf(pool) };
}

function take(pool: Pool, wanted: Address, taken: (address: bigint) => boolean): Allocation {
  if (!contains(pool.cidr, wanted) || wanted.value < pool.low || wanted.value > pool.high) {
    return { ok: false, reason: 'outside' };
  }
  if (reservedRange(pool, wanted.value)) return { ok: false, reason: 'reserved' };
  return taken(wanted.value) ? { ok: false, reason: 'taken' } : { ok: true, address: wanted };
}

/**
 * Prefix length of the blocks a pool is cut into: 32 - floor((32 - p) / 2), at most /30; IPv6 likewise on its last 32
 * bits, at most /126. The square root of the pool, so that many hosts find room and few claims are needed.
 */
export function blockPrefix(family: 4 | 6, prefix: number): number {
  const within = Math.max(0, prefix - (BITS[family] - 32));
  const cut = 32 - Math.floor((32 - within) / 2);
  return Math.min(cut, 30) + (BITS[family] - 32);
}

function startOf(pool: Pool, seed: string, low: bigint, high: bigint): bigint {
  const block = 1n << BigInt(BITS[pool.cidr.family] - blockPrefix(pool.cidr.family, pool.cidr.prefix));
  const blocks = (high - low + 1n) / block;
  return blocks > 1n ? low + (hash64(seed) % blocks) * block : low;
}

function reservedRange(pool: Pool, value: bigint): Cidr | undefined {
  return pool.reserved.find((range) => value >= range.first && value <= lastOf(range));
}

function clampLow(pool: Pool, range: Cidr | undefined): bigint {
  return range && range.first > pool.low ? range.first : pool.low;
}

function clampHigh(pool: Pool, range: Cidr | undefined): bigint {
  return range && lastOf(range) < pool.high ? lastOf(range) : pool.high;
}

/** Drops ranges that lie in another: CIDRs either nest or are disjoint. */
function mergeRanges(ranges: Cidr[]): Cidr[] {
  const widest = [...ranges].sort((a, b) => a.prefix - b.prefix);
  return widest.filter(
    (range, i) => !widest.slice(0, i).some((other) => contains(other, { family: range.family, value: range.first })),
  );
}

function mustParse<T>(value: T | undefined, text: string): T {
  if (value === undefined) throw new TypeError(`not a range: ${text}`);
  return value;
}

/** The subnet's first address: the gateway when a user names none. */
export function defaultGateway(cidr: Cidr): string {
  return formatAddress({ family: cidr.family, value: cidr.first + 1n });
}

/** "10.1.2.3" with the prefix length of its pool: "10.1.2.3/16". */
export function withPrefix(pool: Pool, address: Address): string {
  return `${formatAddress(address)}/${pool.cidr.prefix}`;
}
