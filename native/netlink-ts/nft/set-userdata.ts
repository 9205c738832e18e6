/** User data of a set: byte orders and `typeof` expressions, by which nft lists elements as addresses and ports. */
import type { KeyField, KeyType } from './key.ts';
import { decodeSources, encodeConcatenation, encodeSource, VERDICT_TYPEOF, type KeySource } from './key-source.ts';
import {
  commentBytes,
  commentText,
  encodeRecords,
  hostInteger,
  readHostInteger,
  tryRecords,
  type Record,
} from './userdata.ts';

const SET_KEY_BYTE_ORDER = 0;
const SET_DATA_BYTE_ORDER = 1;
const SET_MERGE_ELEMENTS = 2;
const SET_KEY_TYPEOF = 3;
const SET_DATA_TYPEOF = 4;
const SET_DATA_INTERVAL = 6;
const SET_COMMENT = 7;

/** nft's byte orders; none for a concatenation and for verdicts */
const ORDER = { none: 0, host: 1, network: 2 } as const;
const HOST_ORDER: ReadonlySet<KeyType> = new Set<KeyType>([
  'mark',
  'ifname',
  'ifindex',
  'uid',
  'gid',
  'ct_state',
  'pkt_type',
]);

export interface SetTypes {
  key: readonly KeyField[];
  /** maps only */
  data?: 'verdict' | readonly KeyField[];
  dataRange?: true;
  autoMerge?: true;
  comment?: string;
}

export function encodeSetUserdata({ key, data, dataRange, autoMerge, comment }: SetTypes): Buffer {
  const records: Record[] = [{ type: SET_KEY_BYTE_ORDER, value: hostInteger(byteOrder(key)) }];
  if (data) records.push({ type: SET_DATA_BYTE_ORDER, value: hostInteger(data === 'verdict' ? 0 : byteOrder(data)) });
  if (autoMerge) records.push({ type: SET_MERGE_ELEMENTS, value: hostInteger(1) });
  const keyTypeof = typeofOf(key);
  if (keyTypeof) records.push({ type: SET_KEY_TYPEOF, value: keyTypeof });
  const dataTypeof = data === 'verdict' ? verdictTypeof(key) : data && typeofOf(data);
  if (dataTypeof) records.push({ type: SET_DATA_TYPEOF, value: dataTypeof });
  if (data) records.push({ type: SET_DATA_INTERVAL, value: hostInteger(dataRange ? 1 : 0) });
  if (comment !== undefined) records.push({ type: SET_COMMENT, value: commentBytes(comment) });
  return encodeRecords(records);
}

function byteOrder(fields: readonly KeyField[]): number {
  const [field] = fields;
  if (fields.length !== 1 || !field) return ORDER.none;
  return HOST_ORDER.has(field.type) ? ORDER.host : ORDER.network;
}

function typeofOf(fields: readonly KeyField[]): Buffer | undefined {
  const sources = fields.map(({ source }) => source).filter((source) => source !== undefined);
  const complete = sources.length === fields.length;
  if (fields.length > 1) return encodeConcatenation(complete ? sources : []);
  return sources[0] && encodeSource(sources[0]);
}

/** Key and data are listed with `typeof` both or not at all. */
function verdictTypeof(key: readonly KeyField[]): Buffer | undefined {
  return key.every(({ source }) => source !== undefined) ? VERDICT_TYPEOF : undefined;
}

export interface SetSources {
  key: (KeySource | undefined)[];
  data: (KeySource | undefined)[];
  /** what a set has of it */
  rest: Pick<SetTypes, 'dataRange' | 'autoMerge' | 'comment'>;
}

export function decodeSetUserdata(userdata: Buffer): SetSources {
  const records = tryRecords(userdata);
  const valueOf = (type: number): Buffer | undefined => records.find((record) => record.type === type)?.value;
  const comment = valueOf(SET_COMMENT);
  return {
    key: decodeSources(valueOf(SET_KEY_TYPEOF)),
    data: decodeSources(valueOf(SET_DATA_TYPEOF)),
    rest: {
      ...(readHostInteger(valueOf(SET_DATA_INTERVAL)) ? { dataRange: true } : {}),
      ...(readHostInteger(valueOf(SET_MERGE_ELEMENTS)) ? { autoMerge: true } : {}),
      ...(comment ? { comment: commentText(comment) } : {}),
    },
  };
}
