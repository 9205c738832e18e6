import { BITS, formatAddress, parseAddress } from './address.ts';
import type { Address, Family } from './address.ts';

/** A range of addresses that share a prefix; `first` is the network address. */
export interface Cidr {
  family: Family;
  first: bigint;
  prefix: number;
}

/** Undefined unless the text is ADDRESS/LENGTH. Host bits may be set: see `hasHostBits` and `hostOf`. */
function split(text: string): { address: Address; prefix: number } | undefined {
  const slash = text.indexOf('/');
  if (slash < 0) return undefined;
  const address = parseAddress(text.slice(0, slash));
  const length = text.slice(slash + 1);
  if (!address || !/^(?:0|[1-9]\d{0,2})$/.test(length)) return undefined;
  const prefix = Number(length);
  return prefix <= BITS[address.family] ? { address, prefix } : undefined;
}

/** A network: undefined when host bits are set ("10.1.2.3/16" is an address in a network, not a network). */
export function parseCidr(text: string): Cidr | undefined {
  const parts = split(text);
  if (!parts) return undefined;
  const cidr = cidrOf(parts.address, parts.prefix);
  return cidr.first === parts.address.value ? cidr : undefined;
}

/** An address with the prefix length of its network: "10.1.2.3/16". */
export function parseInterfaceAddress(text: string): { address: Address; cidr: Cidr } | undefined {
  const parts = split(text);
  return parts && { address: parts.address, cidr: cidrOf(parts.address, parts.prefix) };
}

export function cidrOf(address: Address, prefix: number): Cidr {
  const host = BigInt(BITS[address.family] - prefix);
  return { family: address.family, first: (address.value >> host) << host, prefix };
}

export function formatCidr(cidr: Cidr): string {
  return `${formatAddress({ family: cidr.family, value: cidr.first })}/${cidr.prefix}`;
}

/** "10.1.2.3/16" to "10.1.2.3"; an address without a length stays as it is. */
export function bareAddress(text: string): string {
  return text.split('/', 1)[0] ?? '';
}

/** How many addresses it spans, network and broadcast address among them. */
export function cidrSize(cidr: Cidr): bigint {
  return 1n << BigInt(BITS[cidr.family] - cidr.prefix);
}

export function lastOf(cidr: Cidr): bigint {
  return cidr.first + cidrSize(cidr) - 1n;
}

export function contains(cidr: Cidr, address: Address): boolean {
  return cidr.family === address.family && address.value >= cidr.first && address.value <= lastOf(cidr);
}

export function overlaps(a: Cidr, b: Cidr): boolean {
  return a.family === b.family && a.first <= lastOf(b) && b.first <= lastOf(a);
}

/** An address or a CIDR as a range; undefined for neither. */
export function parseRange(text: string): Cidr | undefined {
  const address = parseAddress(text);
  return address ? cidrOf(address, BITS[address.family]) : parseCidr(text);
}
