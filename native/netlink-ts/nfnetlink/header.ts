/** What messages of netfilter's subsystems begin with: struct nfgenmsg (linux/netfilter/nfnetlink.h), four bytes. */
import { DecodeError } from '../errors.ts';

export const NFNL_SUBSYS_CTNETLINK = 1;
export const NFNL_SUBSYS_ULOG = 4;

const HEADER_LENGTH = 4;
const NFNETLINK_V0 = 0;

export const NFPROTO_UNSPEC = 0;
export const NFPROTO_IPV4 = 2;
export const NFPROTO_IPV6 = 10;

export interface NetfilterHeader {
  /** NFPROTO_*, the same numbers as AF_* where both exist */
  family: number;
  /** what it means is the subsystem's: a group of NFLOG, a CPU in conntrack's statistics */
  resource: number;
}

/** The high byte of a message's type names the subsystem. */
export function messageType(subsystem: number, message: number): number {
  return (subsystem << 8) | message;
}

export function encodeHeader(header: NetfilterHeader): Buffer {
  const bytes = Buffer.from([header.family, NFNETLINK_V0, 0, 0]);
  bytes.writeUInt16BE(header.resource, 2);
  return bytes;
}

/** The header, and the attributes after it. */
export function decodeHeader(context: string, payload: Buffer): NetfilterHeader & { attributes: Buffer } {
  if (payload.length < HEADER_LENGTH) throw new DecodeError(`${context}: a header of ${payload.length} bytes`);
  return {
    family: payload.readUInt8(0),
    resource: payload.readUInt16BE(2),
    attributes: payload.subarray(HEADER_LENGTH),
  };
}
