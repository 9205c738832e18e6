/** A packet that a rule logged to a group: NFULNL_MSG_PACKET. */
import { decodeFlowAttributes } from '../conntrack/flow.ts';
import type { Flow } from '../conntrack/flow.ts';
import { DecodeError } from '../errors.ts';
import { decodeHeader, messageType, NFNL_SUBSYS_ULOG } from '../nfnetlink/header.ts';
import type { Attribute, AttributeReader } from '../wire/attributes.ts';
import { readAttributes } from '../wire/attributes.ts';
import { macText } from '../wire/text.ts';

export const NFULNL_MSG_PACKET = messageType(NFNL_SUBSYS_ULOG, 0);

const NFULA_PACKET_HDR = 1;
const NFULA_MARK = 2;
const NFULA_TIMESTAMP = 3;
const NFULA_IFINDEX_INDEV = 4;
const NFULA_IFINDEX_OUTDEV = 5;
const NFULA_IFINDEX_PHYSINDEV = 6;
const NFULA_IFINDEX_PHYSOUTDEV = 7;
const NFULA_HWADDR = 8;
const NFULA_PAYLOAD = 9;
const NFULA_PREFIX = 10;
const NFULA_UID = 11;
const NFULA_SEQ = 12;
const NFULA_SEQ_GLOBAL = 13;
const NFULA_GID = 14;
const NFULA_HWTYPE = 15;
const NFULA_HWHEADER = 16;
const NFULA_HWLEN = 17;
const NFULA_CT = 18;
const NFULA_VLAN = 20;
const NFULA_L2HDR = 21;

const NFULA_VLAN_PROTO = 1;
const NFULA_VLAN_TCI = 2;

const NANOSECONDS = 1_000_000_000n;
const NANOSECONDS_OF_MICROSECOND = 1_000n;

export interface LoggedPacket {
  group: number;
  /** NFPROTO_*: 2 IPv4, 10 IPv6, 7 bridge, 5 netdev, 3 ARP */
  family: number;
  /** NF_INET_*: 0 prerouting, 1 input, 2 forward, 3 output, 4 postrouting; netdev counts its own */
  hook: number;
  /** EtherType: 0x800 */
  protocol: number;
  prefix: string;
  mark: number;
  /** indexes of interfaces */
  input?: number;
  output?: number;
  /** the bridge's port, where `input` or `output` is the bridge */
  physicalInput?: number;
  physicalOutput?: number;
  /** of who sent it, on this link */
  hardwareAddress?: string;
  /** ARPHRD_*: 1 for Ethernet */
  hardwareType?: number;
  /** the link's header as it came */
  hardwareHeader?: Buffer;
  vlan?: { protocol: number; tci: number };
  /** from the network header on, as much as was asked for */
  payload: Buffer;
  /** nanoseconds since 1970, of a packet that came in; the kernel counts microseconds */
  timestamp?: bigint;
  /** of the socket that sent it */
  uid?: number;
  gid?: number;
  /** counts the group's packets: a gap is a loss */
  sequence?: number;
  globalSequence?: number;
  flow?: Flow;
  other: Attribute[];
}

export function decodePacket(message: Buffer): LoggedPacket {
  const { family, resource, attributes } = decodeHeader('packet', message);
  const packet: LoggedPacket = {
    group: resource,
    family,
    hook: 0,
    protocol: 0,
    prefix: '',
    mark: 0,
    payload: Buffer.alloc(0),
    other: [],
  };
  readAttributes('packet', attributes, (reader) => {
    if (!decodeContent(reader, packet) && !decodeLinks(reader, packet) && !decodeOrigin(reader, packet)) {
      packet.other.push({ type: reader.type, data: reader.bytes() });
    }
  });
  return packet;
}

function decodeContent(reader: AttributeReader, packet: LoggedPacket): boolean {
  switch (reader.type) {
    case NFULA_PACKET_HDR: {
      // struct nfulnl_msg_packet_hdr: the protocol in network order, then the hook
      const header = exactly(reader.bytes(), 4, 'a packet header');
      packet.protocol = header.readUInt16BE(0);
      packet.hook = header.readUInt8(2);
      return true;
    }
    case NFULA_PAYLOAD:
      packet.payload = reader.bytes();
      return true;
    case NFULA_PREFIX:
      packet.prefix = reader.string();
      return true;
    case NFULA_MARK:
      packet.mark = reader.be32();
      return true;
    case NFULA_TIMESTAMP: {
      const time = exactly(reader.bytes(), 16, 'a timestamp');
      packet.timestamp = time.readBigUInt64BE(0) * NANOSECONDS + time.readBigUInt64BE(8) * NANOSECONDS_OF_MICROSECOND;
      return true;
    }
    default:
      return false;
  }
}

function decodeLinks(reader: AttributeReader, packet: LoggedPacket): boolean {
  switch (reader.type) {
    case NFULA_IFINDEX_INDEV:
      packet.input = reader.be32();
      return true;
    case NFULA_IFINDEX_OUTDEV:
      packet.output = reader.be32();
      return true;
    case NFULA_IFINDEX_PHYSINDEV:
      packet.physicalInput = reader.be32();
      return true;
    case NFULA_IFINDEX_PHYSOUTDEV:
      packet.physicalOutput = reader.be32();
      return true;
    case NFULA_HWADDR: {
      // struct nfulnl_msg_packet_hw: the length in network order, two bytes of padding, at most eight of address
      const hardware = exactly(reader.bytes(), 12, 'a hardware address');
      packet.hardwareAddress = macText(hardware.subarray(4, 4 + Math.min(8, hardware.readUInt16BE(0))));
      return true;
    }
    case NFULA_HWTYPE:
      packet.hardwareType = reader.be16();
      return true;
    case NFULA_HWHEADER:
    case NFULA_L2HDR:
      packet.hardwareHeader = reader.bytes();
      return true;
    case NFULA_HWLEN:
      // the length of NFULA_HWHEADER, which it has itself
      return true;
    case NFULA_VLAN:
      packet.vlan = decodeVlan(reader.bytes());
      return true;
    default:
      return false;
  }
}

function decodeOrigin(reader: AttributeReader, packet: LoggedPacket): boolean {
  switch (reader.type) {
    case NFULA_UID:
      packet.uid = reader.be32();
      return true;
    case NFULA_GID:
      packet.gid = reader.be32();
      return true;
    case NFULA_SEQ:
      packet.sequence = reader.be32();
      return true;
    case NFULA_SEQ_GLOBAL:
      packet.globalSequence = reader.be32();
      return true;
    case NFULA_CT:
      packet.flow = decodeFlowAttributes(packet.family, reader.bytes());
      return true;
    default:
      return false;
  }
}

function decodeVlan(buffer: Buffer): { protocol: number; tci: number } {
  const vlan = { protocol: 0, tci: 0 };
  readAttributes('vlan', buffer, (reader) => {
    if (reader.type === NFULA_VLAN_PROTO) vlan.protocol = reader.be16();
    else if (reader.type === NFULA_VLAN_TCI) vlan.tci = reader.be16();
  });
  return vlan;
}

function exactly(bytes: Buffer, length: number, what: string): Buffer {
  if (bytes.length !== length) throw new DecodeError(`${what} of ${bytes.length} bytes, not ${length}`);
  return bytes;
}
