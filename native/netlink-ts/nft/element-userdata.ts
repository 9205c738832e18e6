/** User data of an element: its comment, and nft's note that an interval reaches up to the highest key. */
import type { WireElement } from './interval.ts';
import {
  commentBytes,
  commentText,
  encodeRecords,
  hostInteger,
  readHostInteger,
  tryRecords,
  type Record,
} from './userdata.ts';

const ELEMENT_COMMENT = 0;
const ELEMENT_FLAGS = 1;
const INTERVAL_OPEN = 1;

export function encodeElementUserdata({ comment, open }: WireElement): Buffer {
  const records: Record[] = [];
  if (comment !== undefined) records.push({ type: ELEMENT_COMMENT, value: commentBytes(comment) });
  if (open) records.push({ type: ELEMENT_FLAGS, value: hostInteger(INTERVAL_OPEN) });
  return encodeRecords(records);
}

export function decodeElementUserdata(userdata: Buffer): Pick<WireElement, 'comment' | 'open'> {
  const records = tryRecords(userdata);
  const valueOf = (type: number): Buffer | undefined => records.find((record) => record.type === type)?.value;
  const comment = valueOf(ELEMENT_COMMENT);
  return {
    ...(comment ? { comment: commentText(comment) } : {}),
    ...(readHostInteger(valueOf(ELEMENT_FLAGS)) & INTERVAL_OPEN ? { open: true } : {}),
  };
}
