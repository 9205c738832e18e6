/**
 * IP addresses as (family, value) and as canonical text. Printing of IPv6 is the package ip-address's (RFC 5952);
 * arithmetic is BigInt, so that both families share one code path.
 */
import { Address6 } from 'ip-address';

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
    return text.includes('.') ? undefined : parse6(text);
  }
  const value = parse4(text);
  return value === undefined ? undefined : { family: 4, value: BigInt(value) };
}

/** By hand, as IPv4: addresses are read so often that the package's objects are a third of what a large cluster costs. */
function parse6(text: string): Address | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map(hexOf);
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined;
  const missing = 32 - head.length - (tail?.length ?? 0);
  // "::" stands for one group at least.
  if (halves.length === 2 ? missing < 4 : missing !== 0) return undefined;
  return { family: 6, value: BigInt(`0x${head}${'0'.repeat(missing)}${tail ?? ''}`) };
}

/** Four digits for each group. */
function hexOf(groups: string): string | undefined {
  if (groups === '') return '';
  let hex = '';
  for (const group of groups.split(':')) {
    if (!/^[0-9a-f]{1,4}$/i.test(group)) return undefined;
    hex += group.padStart(4, '0');
  }
  return hex;
}

function parse4(text: string): number | undefined {
  const bytes = text.split('.');
  if (bytes.length !== 4) return undefined;
  let value = 0;
  for (const byte of bytes) {
    if (!/^(?:0|[1-9]\d{0,2})$/.test(byte) || Number(byte) > 255) return undefined;
    value = value * 256 + Number(byte);
  }
  return value;
}

export function formatAddress(address: Address): string {
  return address.family === 4 ? format4(Number(address.value)) : Address6.fromBigInt(address.value).correctForm();
}

function format4(value: number): string {
  return [24, 16, 8, 0].map((bits) => (value >>> bits) & 255).join('.');
}

/** Canonical text of an address, or undefined. */
export function canonicalAddress(text: string): string | undefined {
  const address = parseAddress(text);
  return address && formatAddress(address);
}

/** "192.0.2.1:443", "[2001:db8::1]:443" */
export function hostPort(address: string, port: number | string): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
