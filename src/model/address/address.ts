/**
 * IP addresses as (family, value) and as canonical text. Printing of IPv6 is the package ip-address's (RFC 5952); arithmetic is
 * BigInt, so that both families share one code path. Reading is by hand: addresses are read so often that the package's objects
 * were a third of what a large cluster costs.
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
  if (text.length > 45) return undefined;
  if (text.includes(':')) return parse6(text);
  const value = parse4(text);
  return value === undefined ? undefined : { family: 4, value: BigInt(value) };
}

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

const HEX = /^[0-9a-f:]+$/i;

/** Four digits for each group. */
function hexOf(groups: string): string | undefined {
  if (groups === '') return '';
  if (!HEX.test(groups)) return undefined;
  let hex = '';
  for (const group of groups.split(':')) {
    if (group.length < 1 || group.length > 4) return undefined;
    hex += group.padStart(4, '0');
  }
  return hex;
}

const DOT = 46;
const ZERO = 48;

function parse4(text: string): number | undefined {
  let value = 0;
  let bytes = 0;
  let byte: number | undefined;
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : DOT;
    if (code === DOT) {
      if (byte === undefined) return undefined;
      value = value * 256 + byte;
      byte = undefined;
      bytes++;
    } else {
      if (code < ZERO || code > ZERO + 9 || byte === 0) return undefined;
      byte = 10 * (byte ?? 0) + code - ZERO;
      if (byte > 255) return undefined;
    }
  }
  return bytes === 4 ? value : undefined;
}

export function formatAddress({ family, value }: Address): string {
  return family === 4 ? format4(Number(value)) : Address6.fromBigInt(value).correctForm();
}

function format4(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
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
