/**
 * User data: what the nft command keeps beside an object for its own listing (libnftnl's udata). A list of one byte type,
 * one byte length, value; integers in host byte order. The kernel never looks into it.
 */
import { DecodeError } from '../errors.ts';

export interface Record {
  type: number;
  value: Buffer;
}

/** NFT_USERDATA_MAXLEN of the kernel */
const MAX_LENGTH = 256;
const COMMENT = 0;
/** nft's NFTNL_UDATA_COMMENT_MAXLEN, with the final zero */
const MAX_COMMENT = 128;

export function encodeRecords(records: readonly Record[]): Buffer {
  const bytes = Buffer.concat(
    records.map(({ type, value }) => Buffer.concat([Buffer.from([type, value.length]), value])),
  );
  if (bytes.length > MAX_LENGTH) throw new RangeError(`user data of ${bytes.length} bytes, at most ${MAX_LENGTH} fit`);
  return bytes;
}

export function decodeRecords(bytes: Buffer): Record[] {
  const records: Record[] = [];
  for (let at = 0; at < bytes.length;) {
    if (at + 2 > bytes.length) throw new DecodeError('user data: record header is cut off');
    const end = at + 2 + bytes.readUInt8(at + 1);
    if (end > bytes.length) throw new DecodeError('user data: record is longer than what is left');
    records.push({ type: bytes.readUInt8(at), value: bytes.subarray(at + 2, end) });
    at = end;
  }
  return records;
}

/** With the final zero; throws RangeError for one that is too long for nft. */
export function commentBytes(comment: string): Buffer {
  const value = Buffer.from(`${comment}\0`);
  if (value.length > MAX_COMMENT)
    throw new RangeError(`comment of ${value.length - 1} bytes, at most ${MAX_COMMENT - 1} fit`);
  return value;
}

export function commentText(value: Buffer): string {
  return value.toString('utf8').replace(/\0+$/, '');
}

/** The comment of a rule, of a chain, or of an element. */
export function encodeComment(comment: string): Buffer {
  return encodeRecords([{ type: COMMENT, value: commentBytes(comment) }]);
}

/** The comment in user data; undefined when there is none, or when another program keeps something else there. */
export function decodeComment(bytes: Buffer): string | undefined {
  const value = tryRecords(bytes).find((record) => record.type === COMMENT)?.value;
  return value && commentText(value);
}

/** Foreign user data may be anything: what is no list of records holds none. */
export function tryRecords(bytes: Buffer): Record[] {
  try {
    return decodeRecords(bytes);
  } catch (error) {
    if (error instanceof DecodeError) return [];
    throw error;
  }
}

export function hostInteger(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** 0 for what is not four bytes long. */
export function readHostInteger(bytes: Buffer | undefined): number {
  return bytes?.length === 4 ? bytes.readUInt32LE() : 0;
}
