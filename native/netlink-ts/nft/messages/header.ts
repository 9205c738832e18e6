/** What every nftables message begins with: struct nfgenmsg, four bytes; and the numbers of the message types. */
import { DecodeError } from '../../errors.ts';
import { AttributeReader, AttributeWriter } from '../../wire/attributes.ts';
import { NLM_F_APPEND, NLM_F_CREATE, NLM_F_REPLACE } from '../../wire/message.ts';
import type { NftFamily } from '../model.ts';
import { nameTable } from '../names.ts';

export const NETLINK_NETFILTER = 12;

const NFNL_SUBSYS_NFTABLES = 10;
const SUBSYSTEM = NFNL_SUBSYS_NFTABLES << 8;

export const NFT_MSG = {
  newTable: SUBSYSTEM | 0,
  getTable: SUBSYSTEM | 1,
  deleteTable: SUBSYSTEM | 2,
  newChain: SUBSYSTEM | 3,
  getChain: SUBSYSTEM | 4,
  deleteChain: SUBSYSTEM | 5,
  newRule: SUBSYSTEM | 6,
  getRule: SUBSYSTEM | 7,
  deleteRule: SUBSYSTEM | 8,
  newSet: SUBSYSTEM | 9,
  getSet: SUBSYSTEM | 10,
  deleteSet: SUBSYSTEM | 11,
  newElements: SUBSYSTEM | 12,
  getElements: SUBSYSTEM | 13,
  deleteElements: SUBSYSTEM | 14,
  newGeneration: SUBSYSTEM | 15,
  getGeneration: SUBSYSTEM | 16,
} as const;

/** Not in the subsystem: nfnetlink's own (NLMSG_MIN_TYPE and the next). */
export const NFNL_MSG_BATCH_BEGIN = 16;
export const NFNL_MSG_BATCH_END = 17;
const NFNL_BATCH_GENID = 1;

export const CREATE = NLM_F_CREATE;
export const CREATE_LAST = NLM_F_CREATE | NLM_F_APPEND;
export const REPLACE = NLM_F_REPLACE;

export interface NftMessage {
  type: number;
  flags: number;
  payload: Buffer;
}

const FAMILIES = nameTable<NftFamily>({ inet: 1, ip: 2, arp: 3, netdev: 5, bridge: 7, ip6: 10 });
const HEADER_LENGTH = 4;

export function nftMessage(
  type: number,
  flags: number,
  family: NftFamily | 'any',
  fill?: (writer: AttributeWriter) => void,
): NftMessage {
  const writer = new AttributeWriter();
  fill?.(writer);
  const header = Buffer.from([family === 'any' ? 0 : FAMILIES.number(family), 0, 0, 0]);
  return { type, flags, payload: Buffer.concat([header, writer.finish()]) };
}

/**
 * Begin and end name the subsystem where other messages have a zero. A batch that begins with a generation is refused with
 * ERESTART once the ruleset has another (kernel 4.16).
 */
export function batchMarker(type: number, generation?: number): NftMessage {
  const header = Buffer.from([0, 0, NFNL_SUBSYS_NFTABLES >> 8, NFNL_SUBSYS_NFTABLES]);
  const writer = new AttributeWriter();
  if (generation !== undefined) writer.be32(NFNL_BATCH_GENID, generation);
  return { type, flags: 0, payload: Buffer.concat([header, writer.finish()]) };
}

/** `family` is undefined for one that has no name here. */
export function openMessage(payload: Buffer): { family: NftFamily | undefined; attributes: AttributeReader } {
  if (payload.length < HEADER_LENGTH) throw new DecodeError('nftables message is shorter than its header');
  return {
    family: FAMILIES.name(payload.readUInt8(0)),
    attributes: new AttributeReader(payload.subarray(HEADER_LENGTH)),
  };
}
