import { hash64 } from '../names.ts';
import { parseAddress } from './address.ts';
import type { Address } from './address.ts';

const MAC = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/;

/** Lower-case colon form; undefined for anything that cannot be an interface's unicast address. */
export function canonicalMac(text: string): string | undefined {
  const mac = text.toLowerCase().replaceAll('-', ':');
  if (!MAC.test(mac) || mac === '00:00:00:00:00:00') return undefined;
  return (Number.parseInt(mac.slice(0, 2), 16) & 1) === 0 ? mac : undefined;
}

/**
 * The MAC that goes with an address of a network: 02, 8 bits of a hash of the VNI, the address's low 32 bits. Unique in
 * the network because addresses are, and the same wherever the address goes, so that no neighbour cache turns stale.
 */
export function macFor(vni: number, address: string): string {
  const parsed = parseAddress(address);
  if (!parsed) throw new TypeError(`not an address: ${address}`);
  return formatMac((0x02n << 40n) | ((hash64(`vni ${vni}`) & 0xffn) << 32n) | (parsed.value & 0xffffffffn));
}

function formatMac(value: bigint): string {
  const hex = value.toString(16).padStart(12, '0');
  return hex.replace(/(..)(?=.)/g, '$1:');
}

/** EUI-64 link-local address of an interface with this MAC (RFC 4291, appendix A). */
export function linkLocalOf(mac: string): Address {
  const bytes = mac.split(':').map((part) => BigInt(Number.parseInt(part, 16)));
  const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n] = bytes;
  const eui = [a ^ 2n, b, c, 0xffn, 0xfen, d, e, f].reduce((value, byte) => (value << 8n) | byte, 0n);
  return { family: 6, value: (0xfe80n << 112n) | eui };
}
