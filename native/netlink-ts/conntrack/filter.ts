/**
 * Which flows are wanted. The kernel is asked to send only those where it can; older ones ignore what they do not know
 * (CTA_FILTER before 5.8, CTA_STATUS before 5.15, CTA_ZONE before 6.8), so every answer is held against the filter again.
 */
import { encodeHeader, NFPROTO_IPV4, NFPROTO_IPV6, NFPROTO_UNSPEC } from '../nfnetlink/header.ts';
import { AttributeWriter } from '../wire/attributes.ts';
import { familyOf, ipBytes, ipText } from '../wire/text.ts';
import * as cta from './constants.ts';
import type { Flow } from './flow.ts';
import { encodeTuple } from './tuple.ts';
import type { Tuple } from './tuple.ts';

const CTA_FILTER_ORIG_FLAGS = 1;
const CTA_FILTER_REPLY_FLAGS = 2;

/** Which parts of a tuple the kernel is to compare: CTA_FILTER_F_* of its net/netfilter/nf_conntrack_netlink.c. */
const COMPARED = {
  source: 1 << 0,
  destination: 1 << 1,
  protocol: 1 << 3,
  sourcePort: 1 << 4,
  destinationPort: 1 << 5,
} as const;

type TupleField = keyof typeof COMPARED;
const FIELDS = Object.keys(COMPARED) as TupleField[];

export type TupleFilter = Partial<Pick<Tuple, TupleField>>;

/** All that is given must hold; an empty filter takes every flow. */
export interface FlowFilter {
  family?: 4 | 6;
  /** of both directions or of one; 0 are the flows that have none */
  zone?: number;
  /** all 32 bits are compared when there is no mask */
  mark?: number;
  markMask?: number;
  /** IPS_* that are all set */
  status?: number;
  original?: TupleFilter;
  reply?: TupleFilter;
}

/** The request of a dump, the header with it. */
export function encodeFlowQuery(filter: FlowFilter): Buffer {
  const family = familyWanted(filter);
  const writer = new AttributeWriter().raw(encodeHeader({ family: protocolFamily(family), resource: 0 }));
  if (filter.mark !== undefined) {
    writer.be32(cta.CTA_MARK, filter.mark).be32(cta.CTA_MARK_MASK, filter.markMask ?? 0xffffffff);
  }
  if (filter.zone !== undefined) writer.be16(cta.CTA_ZONE, filter.zone);
  // The kernel refuses a status of no bits (EINVAL).
  if (filter.status) writer.be32(cta.CTA_STATUS, filter.status).be32(cta.CTA_STATUS_MASK, filter.status);
  if (family !== undefined) encodeTupleFilters(writer, filter);
  return writer.finish();
}

function encodeTupleFilters(writer: AttributeWriter, filter: FlowFilter): void {
  const [original, reply] = [comparable(filter.original), comparable(filter.reply)];
  const [originalFlags, replyFlags] = [flagsOf(original), flagsOf(reply)];
  if (originalFlags === 0 && replyFlags === 0) return;
  if (originalFlags !== 0) encodeTuple(writer, cta.CTA_TUPLE_ORIG, original);
  if (replyFlags !== 0) encodeTuple(writer, cta.CTA_TUPLE_REPLY, reply);
  writer.nestedFlagged(cta.CTA_FILTER, (inner) => {
    inner.u32(CTA_FILTER_ORIG_FLAGS, originalFlags).u32(CTA_FILTER_REPLY_FLAGS, replyFlags);
  });
}

/** The kernel compares ports only together with the protocol. */
function comparable(tuple: TupleFilter = {}): TupleFilter {
  if (tuple.protocol !== undefined) return tuple;
  const { source, destination } = tuple;
  return { ...(source === undefined ? {} : { source }), ...(destination === undefined ? {} : { destination }) };
}

function flagsOf(tuple: TupleFilter): number {
  return FIELDS.reduce((flags, field) => (tuple[field] === undefined ? flags : flags | COMPARED[field]), 0);
}

function familyWanted({ family, original, reply }: FlowFilter): 4 | 6 | undefined {
  const address = [original, reply].flatMap((tuple) => tuple?.source ?? tuple?.destination ?? []).at(0);
  return family ?? (address === undefined ? undefined : familyOf(address));
}

export function protocolFamily(family: 4 | 6 | undefined): number {
  if (family === undefined) return NFPROTO_UNSPEC;
  return family === 4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
}

export function flowMatches(flow: Flow, filter: FlowFilter): boolean {
  const { family, zone, mark, status = 0 } = filter;
  const mask = filter.markMask ?? 0xffffffff;
  return (
    (family === undefined || flow.family === family) &&
    (zone === undefined || zoneOf(flow) === zone) &&
    (mark === undefined || ((flow.mark ^ mark) & mask) === 0) &&
    (flow.status & status) === status &&
    tupleMatches(flow.original, filter.original) &&
    tupleMatches(flow.reply, filter.reply)
  );
}

function zoneOf({ zone, original, reply }: Flow): number {
  return original.zone ?? reply.zone ?? zone;
}

function tupleMatches(tuple: Tuple, wanted: TupleFilter = {}): boolean {
  return FIELDS.every((field) => {
    const value = wanted[field];
    return value === undefined || tuple[field] === (typeof value === 'string' ? canonical(value) : value);
  });
}

function canonical(address: string): string {
  return ipText(ipBytes(address));
}
