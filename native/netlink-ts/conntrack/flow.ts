/** A tracked connection as the kernel tells of it, in dumps, answers and events: IPCTNL_MSG_CT_NEW and _DELETE. */
import { decodeHeader, NFPROTO_IPV6 } from '../nfnetlink/header.ts';
import type { Attribute, AttributeReader } from '../wire/attributes.ts';
import { readAttributes } from '../wire/attributes.ts';
import * as cta from './constants.ts';
import { decodeProtocolState } from './protocol-state.ts';
import type { SctpInfo, TcpInfo } from './protocol-state.ts';
import { decodeTuple } from './tuple.ts';
import type { Tuple } from './tuple.ts';

const CTA_COUNTERS_PACKETS = 1;
const CTA_COUNTERS_BYTES = 2;
const CTA_HELP_NAME = 1;
const CTA_TIMESTAMP_START = 1;
const CTA_TIMESTAMP_STOP = 2;

export interface Counters {
  packets: bigint;
  bytes: bigint;
}

export interface Flow {
  family: 4 | 6;
  original: Tuple;
  /** what answers look like: the original turned round, unless addresses are translated */
  reply: Tuple;
  /** with the tuple it names this very flow, not a later one between the same ends */
  id: number;
  /** 0 when there is none; a zone of one direction only is in that direction's tuple */
  zone: number;
  /** IPS_* */
  status: number;
  /** seconds that are left; absent from events of a flow's end */
  timeout?: number;
  mark: number;
  /** bits that are set, as `ct label` numbers them */
  labels?: number[];
  /** only of flows that began while the sysctl nf_conntrack_acct was 1 */
  counters?: { original: Counters; reply: Counters };
  /** nanoseconds since 1970; only of flows that began while the sysctl nf_conntrack_timestamp was 1 */
  timestamp?: { start: bigint; stop?: bigint };
  tcp?: TcpInfo;
  sctp?: SctpInfo;
  /** name of the helper that reads the flow: "ftp" */
  helper?: string;
  /** the flow that announced this one */
  master?: Tuple;
  /** references held inside the kernel */
  use?: number;
  other: Attribute[];
}

export function decodeFlow(payload: Buffer): Flow {
  const { family, attributes } = decodeHeader('flow', payload);
  return decodeFlowAttributes(family, attributes);
}

/** `family` is NFPROTO_*. */
export function decodeFlowAttributes(family: number, attributes: Buffer): Flow {
  const nowhere: Tuple = { source: '', destination: '', protocol: 0 };
  const flow: Flow = {
    family: family === NFPROTO_IPV6 ? 6 : 4,
    original: nowhere,
    reply: nowhere,
    id: 0,
    zone: 0,
    status: 0,
    mark: 0,
    other: [],
  };
  readAttributes('flow', attributes, (reader) => {
    if (!decodeIdentity(reader, flow) && !decodeState(reader, flow)) {
      flow.other.push({ type: reader.type, data: reader.bytes() });
    }
  });
  return flow;
}

/** What does not change while the flow lives. False for everything else. */
function decodeIdentity(reader: AttributeReader, flow: Flow): boolean {
  switch (reader.type) {
    case cta.CTA_TUPLE_ORIG:
      flow.original = decodeTuple('original', reader.bytes());
      return true;
    case cta.CTA_TUPLE_REPLY:
      flow.reply = decodeTuple('reply', reader.bytes());
      return true;
    case cta.CTA_TUPLE_MASTER:
      flow.master = decodeTuple('master', reader.bytes());
      return true;
    case cta.CTA_ID:
      flow.id = reader.be32();
      return true;
    case cta.CTA_ZONE:
      flow.zone = reader.be16();
      return true;
    case cta.CTA_HELP:
      readAttributes('help', reader.bytes(), (help) => {
        if (help.type === CTA_HELP_NAME) flow.helper = help.string();
      });
      return true;
    default:
      return false;
  }
}

function decodeState(reader: AttributeReader, flow: Flow): boolean {
  const counters = () => (flow.counters ??= { original: nothing(), reply: nothing() });
  switch (reader.type) {
    case cta.CTA_STATUS:
      flow.status = reader.be32();
      return true;
    case cta.CTA_PROTOINFO:
      Object.assign(flow, decodeProtocolState(reader.bytes()));
      return true;
    case cta.CTA_TIMEOUT:
      flow.timeout = reader.be32();
      return true;
    case cta.CTA_MARK:
      flow.mark = reader.be32();
      return true;
    case cta.CTA_COUNTERS_ORIG:
      counters().original = decodeCounters(reader.bytes());
      return true;
    case cta.CTA_COUNTERS_REPLY:
      counters().reply = decodeCounters(reader.bytes());
      return true;
    case cta.CTA_TIMESTAMP:
      flow.timestamp = decodeTimestamp(reader.bytes());
      return true;
    case cta.CTA_LABELS:
      flow.labels = decodeLabels(reader.bytes());
      return true;
    case cta.CTA_USE:
      flow.use = reader.be32();
      return true;
    default:
      return false;
  }
}

function nothing(): Counters {
  return { packets: 0n, bytes: 0n };
}

function decodeCounters(buffer: Buffer): Counters {
  const counters = nothing();
  readAttributes('counters', buffer, (reader) => {
    if (reader.type === CTA_COUNTERS_PACKETS) counters.packets = reader.be64();
    else if (reader.type === CTA_COUNTERS_BYTES) counters.bytes = reader.be64();
  });
  return counters;
}

function decodeTimestamp(buffer: Buffer): { start: bigint; stop?: bigint } {
  const timestamp: { start: bigint; stop?: bigint } = { start: 0n };
  readAttributes('timestamp', buffer, (reader) => {
    if (reader.type === CTA_TIMESTAMP_START) timestamp.start = reader.be64();
    else if (reader.type === CTA_TIMESTAMP_STOP) timestamp.stop = reader.be64();
  });
  return timestamp;
}

/** A bitmap of the kernel's longs: on the little-endian machines this library runs on, bit n is in byte n / 8. */
function decodeLabels(bitmap: Buffer): number[] {
  const bits: number[] = [];
  bitmap.forEach((byte, place) => {
    for (let bit = 0; bit < 8; bit++) if ((byte & (1 << bit)) !== 0) bits.push(place * 8 + bit);
  });
  return bits;
}
