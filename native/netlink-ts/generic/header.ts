/** What every generic netlink message begins with: struct genlmsghdr (linux/genetlink.h), four bytes. */
import { DecodeError } from '../errors.ts';

const HEADER_LENGTH = 4;

export interface GenericMessage {
  /** of the family: CTRL_CMD_*, WG_CMD_* */
  command: number;
  /** of the family's messages, not of the kernel */
  version: number;
  /** a header of the family's own where it has one, then attributes */
  payload: Buffer;
}

export function encodeGeneric({ command, version, payload }: GenericMessage): Buffer {
  return Buffer.concat([Buffer.from([command, version, 0, 0]), payload]);
}

export function decodeGeneric(bytes: Buffer): GenericMessage {
  if (bytes.length < HEADER_LENGTH) throw new DecodeError(`generic message: a header of ${bytes.length} bytes`);
  return { command: bytes.readUInt8(0), version: bytes.readUInt8(1), payload: bytes.subarray(HEADER_LENGTH) };
}
