/** Where a connection stands in its protocol: CTA_PROTOINFO. */
import { readAttributes } from '../wire/attributes.ts';

const CTA_PROTOINFO_TCP = 1;
const CTA_PROTOINFO_SCTP = 3;

const CTA_PROTOINFO_TCP_STATE = 1;
const CTA_PROTOINFO_TCP_WSCALE_ORIGINAL = 2;
const CTA_PROTOINFO_TCP_WSCALE_REPLY = 3;
const CTA_PROTOINFO_TCP_FLAGS_ORIGINAL = 4;
const CTA_PROTOINFO_TCP_FLAGS_REPLY = 5;

const CTA_PROTOINFO_SCTP_STATE = 1;
const CTA_PROTOINFO_SCTP_VTAG_ORIGINAL = 2;
const CTA_PROTOINFO_SCTP_VTAG_REPLY = 3;

/** enum tcp_conntrack, in its order; 9 was LISTEN and is a simultaneous open since 2.6.31 */
const TCP_STATES = [
  'NONE',
  'SYN_SENT',
  'SYN_RECV',
  'ESTABLISHED',
  'FIN_WAIT',
  'CLOSE_WAIT',
  'LAST_ACK',
  'TIME_WAIT',
  'CLOSE',
  'SYN_SENT2',
] as const;

/** enum sctp_conntrack, in its order */
const SCTP_STATES = [
  'NONE',
  'CLOSED',
  'COOKIE_WAIT',
  'COOKIE_ECHOED',
  'ESTABLISHED',
  'SHUTDOWN_SENT',
  'SHUTDOWN_RECD',
  'SHUTDOWN_ACK_SENT',
  'HEARTBEAT_SENT',
] as const;

export type TcpState = (typeof TCP_STATES)[number];
export type SctpState = (typeof SCTP_STATES)[number];

export interface TcpInfo {
  /** a number for a state that has no name here */
  state: TcpState | number;
  /** exponent of the window scale, by direction; absent from events of a connection's end */
  windowScale?: { original: number; reply: number };
  /** IP_CT_TCP_FLAG_*, by direction */
  flags?: { original: number; reply: number };
}

export interface SctpInfo {
  state: SctpState | number;
  /** verification tags, by direction */
  tags: { original: number; reply: number };
}

export interface ProtocolState {
  tcp?: TcpInfo;
  sctp?: SctpInfo;
}

/** Nothing for other protocols. */
export function decodeProtocolState(buffer: Buffer): ProtocolState {
  const found: ProtocolState = {};
  readAttributes('protoinfo', buffer, (reader) => {
    if (reader.type === CTA_PROTOINFO_TCP) found.tcp = decodeTcp(reader.bytes());
    else if (reader.type === CTA_PROTOINFO_SCTP) found.sctp = decodeSctp(reader.bytes());
  });
  return found;
}

function decodeTcp(buffer: Buffer): TcpInfo {
  const info: TcpInfo = { state: 'NONE' };
  readAttributes('tcp', buffer, (reader) => {
    const scale = () => (info.windowScale ??= { original: 0, reply: 0 });
    const flags = () => (info.flags ??= { original: 0, reply: 0 });
    if (reader.type === CTA_PROTOINFO_TCP_STATE) info.state = stateName(TCP_STATES, reader.u8());
    else if (reader.type === CTA_PROTOINFO_TCP_WSCALE_ORIGINAL) scale().original = reader.u8();
    else if (reader.type === CTA_PROTOINFO_TCP_WSCALE_REPLY) scale().reply = reader.u8();
    // struct nf_ct_tcp_flags: the flags, then the mask of those that a change is to touch
    else if (reader.type === CTA_PROTOINFO_TCP_FLAGS_ORIGINAL) flags().original = reader.u8();
    else if (reader.type === CTA_PROTOINFO_TCP_FLAGS_REPLY) flags().reply = reader.u8();
  });
  return info;
}

function decodeSctp(buffer: Buffer): SctpInfo {
  const info: SctpInfo = { state: 'NONE', tags: { original: 0, reply: 0 } };
  readAttributes('sctp', buffer, (reader) => {
    if (reader.type === CTA_PROTOINFO_SCTP_STATE) info.state = stateName(SCTP_STATES, reader.u8());
    else if (reader.type === CTA_PROTOINFO_SCTP_VTAG_ORIGINAL) info.tags.original = reader.be32();
    else if (reader.type === CTA_PROTOINFO_SCTP_VTAG_REPLY) info.tags.reply = reader.be32();
  });
  return info;
}

function stateName<N extends string>(names: readonly N[], state: number): N | number {
  return names[state] ?? state;
}
