/** Messages: a header of 16 bytes, a payload, padding to four; several may share a datagram. */
import { DecodeError } from '../errors.ts';
import { align4 } from './attributes.ts';

export const NLM_F_REQUEST = 0x1;
export const NLM_F_MULTI = 0x2;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_ROOT = 0x100;
export const NLM_F_MATCH = 0x200;
export const NLM_F_DUMP = NLM_F_ROOT | NLM_F_MATCH;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
/** in an acknowledgement: the request is not echoed; attributes follow */
export const NLM_F_CAPPED = 0x100;
export const NLM_F_ACK_TLVS = 0x200;

export const NLMSG_NOOP = 1;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

export const HEADER_LENGTH = 16;

export interface NetlinkMessage {
  type: number;
  flags: number;
  sequence: number;
  port: number;
  payload: Buffer;
}

export interface Outgoing {
  type: number;
  flags: number;
  payload: Buffer;
}

export function encodeMessage(message: Outgoing, sequence: number): Buffer {
  const length = HEADER_LENGTH + message.payload.length;
  const buffer = Buffer.allocUnsafe(align4(length));
  buffer.fill(0, length);
  buffer.writeUInt32LE(length, 0);
  buffer.writeUInt16LE(message.type, 4);
  buffer.writeUInt16LE(message.flags, 6);
  buffer.writeUInt32LE(sequence, 8);
  // The port: the kernel knows it.
  buffer.writeUInt32LE(0, 12);
  message.payload.copy(buffer, HEADER_LENGTH);
  return buffer;
}

/** The messages of one datagram. Throws DecodeError for lengths that do not add up. */
export function decodeMessages(datagram: Buffer): NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  for (let at = 0; at < datagram.length;) {
    const left = datagram.length - at;
    const length = left < HEADER_LENGTH ? 0 : datagram.readUInt32LE(at);
    if (length < HEADER_LENGTH || length > left) {
      throw new DecodeError(`a message claims ${length} of ${left} bytes`);
    }
    messages.push({
      type: datagram.readUInt16LE(at + 4),
      flags: datagram.readUInt16LE(at + 6),
      sequence: datagram.readUInt32LE(at + 8),
      port: datagram.readUInt32LE(at + 12),
      payload: datagram.subarray(at + HEADER_LENGTH, at + length),
    });
    at += align4(length);
  }
  return messages;
}
