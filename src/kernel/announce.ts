/**
 * Tells who is on a link that an address has another MAC: a gratuitous ARP, or an unsolicited neighbour advertisement. They
 * keep what they know for as long as they talk. To containers, since what a new holder says does not cross VXLAN: by the
 * bridge's own link, so that it goes to local ports alone. To the host's neighbours, of a pinned address.
 */
import { NetlinkError, sendFrame } from 'netlink-ts';
import type { Namespace } from 'netlink-ts';
import { parseAddress } from '../model/address/address.ts';
import type { Address } from '../model/address/address.ts';

const ALL_NODES = 'ff020000000000000000000000000001';
/** of the message and its option */
const ADVERTISEMENT = 32;
const ICMPV6 = 58;

/** A link that is down has nobody to tell. */
export function announce(
  namespace: Namespace,
  index: number,
  { address, mac }: { address: string; mac: string },
): void {
  const parsed = parseAddress(address);
  if (!parsed) return;
  const hardware = mac.replaceAll(':', '');
  const frame = parsed.family === 4 ? gratuitousArp(parsed, hardware) : advertisement(parsed, hardware);
  try {
    sendFrame(namespace, index, Buffer.from(frame, 'hex'));
  } catch (error) {
    if (!(error instanceof NetlinkError && ['ENETDOWN', 'ENXIO', 'ENOBUFS', 'EAGAIN'].includes(error.code)))
      throw error;
  }
}

/** RFC 5227 section 2.3: a question of the address for itself. */
function gratuitousArp(address: Address, mac: string): string {
  const own = hex(address);
  return `ffffffffffff${mac}08060001080006040001${mac}${own}${'00'.repeat(6)}${own}`;
}

/** RFC 4861 section 4.4, with the flag that overrides what is known. */
function advertisement(address: Address, mac: string): string {
  const own = hex(address);
  const body = `20000000${own}0201${mac}`;
  const sum = checksum(`${own}${ALL_NODES}${word(ADVERTISEMENT)}${word(ICMPV6)}88000000${body}`);
  const header = `60000000${ADVERTISEMENT.toString(16).padStart(4, '0')}3aff${own}${ALL_NODES}`;
  return `333300000001${mac}86dd${header}8800${sum}${body}`;
}

/** RFC 1071 */
function checksum(data: string): string {
  let sum = 0;
  for (let i = 0; i < data.length; i += 4) sum += parseInt(data.slice(i, i + 4), 16);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return (~sum & 0xffff).toString(16).padStart(4, '0');
}

function word(value: number): string {
  return value.toString(16).padStart(8, '0');
}

function hex({ family, value }: Address): string {
  return value.toString(16).padStart(family === 4 ? 8 : 32, '0');
}
