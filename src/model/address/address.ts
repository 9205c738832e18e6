/**
 * IP addresses as (family, value) and as canonical text. Parsing and printing are the package ip-address's (RFC 5952
 * for IPv6); arithmetic is BigInt, so that both families share one code path.
 */
import { Address4, Address6 } from 'ip-address';

export type Family = 4 | 6;

export interface Address {
  family: Family;
  value: bigint;
}

export const BITS = { 4: 32, 6: 128 } as const;

/** Undefined for anything but a bare address: no prefix length, no zone, no IPv4-mapped IPv6, no leading zeros. */
export function parseAddress(text: string): Address | undefined {
  if (text.length > 45 || /[/%]/.test(text)) return undefined;
  if (text.includes(':')) {
    if (text.includes('.') || !Address6.isValid(text)) return undefined;
    return { family: 6, value: new Address6(text).bigInt() };
  }
  if (!/^(?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2})){3}$/.test(text) || !Address4.isValid(text)) return undefined;
  return { family: 4, value: new Address4(text).bigInt() };
}

export function formatAddress(address: Address): string {
  return address.family === 4
    ? Address4.fromBigInt(address.value).correctForm()
    : Address6.fromBigInt(address.value).correctForm();
}

/** Canonical text of an address, or undefined. */
export function canonicalAddress(text: string): string | undefined {
  const address = parseAddress(text);
  return address && formatAddress(address);
}
