/** One direction of a flow: CTA_TUPLE_*, with the addresses (CTA_IP_*) and what tells flows apart above them (CTA_PROTO_*). */
import type { AttributeReader, AttributeWriter } from '../wire/attributes.ts';
import { readAttributes } from '../wire/attributes.ts';
import { familyOf, ipBytes, ipText } from '../wire/text.ts';

const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_TUPLE_ZONE = 3;

const CTA_IP_V4_SRC = 1;
const CTA_IP_V4_DST = 2;
const CTA_IP_V6_SRC = 3;
const CTA_IP_V6_DST = 4;

const CTA_PROTO_NUM = 1;
const CTA_PROTO_SRC_PORT = 2;
const CTA_PROTO_DST_PORT = 3;
const CTA_PROTO_ICMP_ID = 4;
const CTA_PROTO_ICMP_TYPE = 5;
const CTA_PROTO_ICMP_CODE = 6;
const CTA_PROTO_ICMPV6_ID = 7;
const CTA_PROTO_ICMPV6_TYPE = 8;
const CTA_PROTO_ICMPV6_CODE = 9;

const IPPROTO_ICMPV6 = 58;

export interface Tuple {
  source: string;
  destination: string;
  /** IPPROTO_*: 6 for TCP */
  protocol: number;
  /** TCP, UDP, UDP-Lite, SCTP, DCCP; of GRE the call ids */
  sourcePort?: number;
  destinationPort?: number;
  /** ICMP and ICMPv6 */
  icmp?: { id: number; type: number; code: number };
  /** of a flow whose zone holds for this direction only; else the flow has it */
  zone?: number;
}

export function encodeTuple(writer: AttributeWriter, type: number, tuple: Partial<Tuple>): void {
  writer.nestedFlagged(type, (inner) => {
    if (tuple.source !== undefined || tuple.destination !== undefined) {
      inner.nestedFlagged(CTA_TUPLE_IP, (ip) => encodeAddresses(ip, tuple));
    }
    const { protocol } = tuple;
    if (protocol !== undefined) {
      inner.nestedFlagged(CTA_TUPLE_PROTO, (layer) => encodeProtocol(layer, { ...tuple, protocol }));
    }
    if (tuple.zone !== undefined) inner.be16(CTA_TUPLE_ZONE, tuple.zone);
  });
}

function encodeAddresses(writer: AttributeWriter, { source, destination }: Partial<Tuple>): void {
  if (source !== undefined) {
    writer.bytes(familyOf(source) === 4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, ipBytes(source));
  }
  if (destination !== undefined) {
    writer.bytes(familyOf(destination) === 4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, ipBytes(destination));
  }
}

function encodeProtocol(writer: AttributeWriter, tuple: Partial<Tuple> & { protocol: number }): void {
  const { protocol, sourcePort, destinationPort, icmp } = tuple;
  writer.u8(CTA_PROTO_NUM, protocol);
  if (sourcePort !== undefined) writer.be16(CTA_PROTO_SRC_PORT, sourcePort);
  if (destinationPort !== undefined) writer.be16(CTA_PROTO_DST_PORT, destinationPort);
  if (!icmp) return;
  const six = protocol === IPPROTO_ICMPV6;
  writer.u8(six ? CTA_PROTO_ICMPV6_CODE : CTA_PROTO_ICMP_CODE, icmp.code);
  writer.u8(six ? CTA_PROTO_ICMPV6_TYPE : CTA_PROTO_ICMP_TYPE, icmp.type);
  writer.be16(six ? CTA_PROTO_ICMPV6_ID : CTA_PROTO_ICMP_ID, icmp.id);
}

export function decodeTuple(context: string, buffer: Buffer): Tuple {
  const tuple: Tuple = { source: '', destination: '', protocol: 0 };
  readAttributes(context, buffer, (reader) => {
    if (reader.type === CTA_TUPLE_IP) readAttributes('ip', reader.bytes(), (ip) => decodeAddress(ip, tuple));
    else if (reader.type === CTA_TUPLE_PROTO) {
      readAttributes('proto', reader.bytes(), (layer) => decodeProtocol(layer, tuple));
    } else if (reader.type === CTA_TUPLE_ZONE) tuple.zone = reader.be16();
  });
  return tuple;
}

function decodeAddress(reader: AttributeReader, tuple: Tuple): void {
  const { type } = reader;
  if (type === CTA_IP_V4_SRC || type === CTA_IP_V6_SRC) tuple.source = ipText(reader.bytes());
  else if (type === CTA_IP_V4_DST || type === CTA_IP_V6_DST) tuple.destination = ipText(reader.bytes());
}

function decodeProtocol(reader: AttributeReader, tuple: Tuple): void {
  const icmp = () => (tuple.icmp ??= { id: 0, type: 0, code: 0 });
  switch (reader.type) {
    case CTA_PROTO_NUM:
      tuple.protocol = reader.u8();
      break;
    case CTA_PROTO_SRC_PORT:
      tuple.sourcePort = reader.be16();
      break;
    case CTA_PROTO_DST_PORT:
      tuple.destinationPort = reader.be16();
      break;
    case CTA_PROTO_ICMP_ID:
    case CTA_PROTO_ICMPV6_ID:
      icmp().id = reader.be16();
      break;
    case CTA_PROTO_ICMP_TYPE:
    case CTA_PROTO_ICMPV6_TYPE:
      icmp().type = reader.u8();
      break;
    case CTA_PROTO_ICMP_CODE:
    case CTA_PROTO_ICMPV6_CODE:
      icmp().code = reader.u8();
      break;
    default:
  }
}
