/**
 * Transit addresses: the two ends of each uplink. They mean nothing outside their host, which masquerades them, so each
 * host chooses its own: a tenant's place follows from its id, and the next free one where two ids meet. Tenants are placed
 * in the order of their ids, the older first, so that a newcomer moves nobody.
 */
import { formatAddress } from '../../model/address/address.ts';
import { parseCidr } from '../../model/address/cidr.ts';
import { WeftError } from '../../model/errors.ts';
import { hash64 } from '../../model/names.ts';

/** No network may use it: all of 169.254.0.0/16 is forbidden to them. */
export const TRANSIT4 = '169.254.64.0/18';
/** /31s in a /18 */
const PLACES = 2 ** 13;

export interface TransitEnd {
  /** without prefix lengths */
  ipv4: string;
  ipv6: string;
}

export interface Transit {
  host: TransitEnd;
  tenant: TransitEnd;
}

/** A /64 of a ULA whose 40 random bits are the cluster's (RFC 4193); subnets that weft chooses have others. */
export function transit6(clusterId: string): string {
  const random = hash64(`transit ${clusterId}`) & 0xffffffffffn;
  return `${formatAddress({ family: 6, value: (0xfdn << 120n) | (random << 80n) })}/64`;
}

/** By tenant id. Throws WeftError `internal` for more tenants on one host than there are places. */
export function placeTransits(tenants: readonly string[], clusterId: string): Map<string, Transit> {
  if (tenants.length > PLACES) {
    throw new WeftError('internal', `${tenants.length} tenants need an uplink on this host, ${PLACES} can have one`);
  }
  const taken = new Set<number>();
  const placed = new Map<string, Transit>();
  for (const tenant of tenants.toSorted()) {
    let place = Number(hash64(tenant) % BigInt(PLACES));
    while (taken.has(place)) place = (place + 1) % PLACES;
    taken.add(place);
    placed.set(tenant, transitAt(place, clusterId));
  }
  return placed;
}

function transitAt(place: number, clusterId: string): Transit {
  const end = (offset: bigint): TransitEnd => ({
    ipv4: addressIn(TRANSIT4, BigInt(place) * 2n + offset),
    ipv6: addressIn(transit6(clusterId), BigInt(place) * 2n + offset),
  });
  return { host: end(0n), tenant: end(1n) };
}

function addressIn(range: string, offset: bigint): string {
  const cidr = parseCidr(range);
  if (!cidr) throw new WeftError('internal', `not a subnet: ${range}`);
  return formatAddress({ family: cidr.family, value: cidr.first + offset });
}
