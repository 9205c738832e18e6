/** Links: RTM_*LINK, struct ifinfomsg and IFLA_*. What a kind adds stands in link-info.ts. */
import { DecodeError } from '../errors.ts';
import { AttributeWriter, readAttributes } from '../wire/attributes.ts';
import type { Attribute, AttributeReader } from '../wire/attributes.ts';
import { macBytes, macText } from '../wire/text.ts';
import { AF_UNSPEC } from './constants.ts';
import type { BridgePortData } from './kinds/bridge-port.ts';
import type { BridgeData } from './kinds/bridge.ts';
import type { VxlanData } from './kinds/vxlan.ts';
import { decodeLinkInfo, encodeKind, encodePort } from './link-info.ts';
import type { KindData, LinkInfo } from './link-info.ts';
import { decodeLinkCounters } from './statistics.ts';
import type { LinkCounters } from './statistics.ts';

const HEADER = 16;
const IFF_UP = 1;

const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINK = 5;
const IFLA_MASTER = 10;
const IFLA_LINKINFO = 18;
const IFLA_IFALIAS = 20;
const IFLA_STATS64 = 23;
const IFLA_AF_SPEC = 26;
const IFLA_GROUP = 27;
const IFLA_NET_NS_FD = 28;
const IFLA_EXT_MASK = 29;
const IFLA_LINK_NETNSID = 37;
const IFLA_PROP_LIST = 52;
const IFLA_ALT_IFNAME = 53;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_INET6_ADDR_GEN_MODE = 8;
const VETH_INFO_PEER = 1;
const RTEXT_FILTER_SKIP_STATS = 8;
const AF_INET6_SPEC = 10;

export interface Link extends LinkInfo {
  index: number;
  name: string;
  /** IFF_* */
  flags: number;
  up: boolean;
  /** ARPHRD_*: 1 is Ethernet */
  type: number;
  address?: string;
  mtu?: number;
  /** index of the bridge or bond it is a port of */
  master?: number;
  /** index of the peer or lower device, maybe in another namespace */
  link?: number;
  linkNetnsId?: number;
  alias?: string;
  group?: number;
  /** other names it is found by */
  altNames?: string[];
  /** where they were asked for; else they stand undecoded in `other` */
  statistics?: LinkCounters;
  /** attributes this library does not read */
  other: Attribute[];
}

interface Common {
  name?: string;
  address?: string;
  mtu?: number;
  group?: number;
  /** descriptor of the namespace it is made in, or moved to */
  netns?: number;
}

export interface LinkSpec extends Common, KindData {
  name: string;
  /** those without data of their own (ifb, dummy ...) by their name alone */
  kind: 'bridge' | 'vxlan' | 'veth' | 'vlan' | 'macvlan' | 'ipvlan' | 'ifb' | 'dummy' | (string & {});
  /** chosen interface index; the kernel's choice when left out */
  index?: number;
  up?: boolean;
  master?: number;
  /** index of the lower device, for vlan, macvlan and ipvlan */
  link?: number;
  /** the other end of a veth pair; it is made down */
  peer?: Common & { name: string };
}

export interface LinkChange extends Common {
  index: number;
  up?: boolean;
  /** 0 takes it off its bridge */
  master?: number;
  alias?: string;
  bridge?: BridgeData;
  /** what the kernel lets change of one that stands: its outer source address (within its family) and the like */
  vxlan?: VxlanData;
  bridgePort?: BridgePortData;
  /** 0 EUI-64, 1 none, 2 stable privacy, 3 random */
  addrGenMode?: number;
}

function header(index: number, up: boolean | undefined): Buffer {
  const buffer = Buffer.alloc(HEADER);
  buffer.writeUInt8(AF_UNSPEC, 0);
  buffer.writeInt32LE(index, 4);
  buffer.writeUInt32LE(up ? IFF_UP : 0, 8);
  buffer.writeUInt32LE(up === undefined ? 0 : IFF_UP, 12);
  return buffer;
}

export function encodeLinkCreate(spec: LinkSpec): Buffer {
  const writer = new AttributeWriter().raw(header(spec.index ?? 0, spec.up));
  common(writer, spec);
  if (spec.master !== undefined) writer.u32(IFLA_MASTER, spec.master);
  if (spec.link !== undefined) writer.u32(IFLA_LINK, spec.link);
  writer.nested(IFLA_LINKINFO, (info) => {
    encodeKind(info, spec.kind, spec);
    const { peer } = spec;
    if (peer) info.nested(IFLA_INFO_DATA, (data) => data.nested(VETH_INFO_PEER, (inner) => encodePeer(inner, peer)));
  });
  return writer.finish();
}

/** An ifinfomsg and attributes of its own, inside VETH_INFO_PEER. */
function encodePeer(writer: AttributeWriter, peer: Common): void {
  writer.raw(header(0, undefined));
  common(writer, peer);
}

export function encodeLinkChange(change: LinkChange): Buffer {
  const writer = new AttributeWriter().raw(header(change.index, change.up));
  common(writer, change);
  if (change.master !== undefined) writer.u32(IFLA_MASTER, change.master);
  if (change.alias !== undefined) writer.string(IFLA_IFALIAS, change.alias);
  const { bridge, vxlan, bridgePort, addrGenMode } = change;
  if (bridge) writer.nested(IFLA_LINKINFO, (info) => encodeKind(info, 'bridge', { bridge }));
  if (vxlan) writer.nested(IFLA_LINKINFO, (info) => encodeKind(info, 'vxlan', { vxlan }));
  if (bridgePort) writer.nested(IFLA_LINKINFO, (info) => encodePort(info, bridgePort));
  if (addrGenMode !== undefined) {
    writer.nested(IFLA_AF_SPEC, (spec) => {
      spec.nested(AF_INET6_SPEC, (inner) => inner.u8(IFLA_INET6_ADDR_GEN_MODE, addrGenMode));
    });
  }
  return writer.finish();
}

/** By index, else by name, else by group; a group's deletion takes every link of it in one go. */
export function encodeLinkReference(ref: { index?: number; name?: string; group?: number }): Buffer {
  const writer = new AttributeWriter().raw(header(ref.index ?? 0, undefined));
  if (ref.name !== undefined) writer.string(IFLA_IFNAME, ref.name);
  if (ref.group !== undefined) writer.u32(IFLA_GROUP, ref.group);
  return writer.finish();
}

export interface LinkQuery {
  index?: number;
  name?: string;
  master?: number;
  kind?: string;
}

/**
 * For a dump or a look-up. A dump is filtered by master and kind; strict checking refuses everything else. The mask leaves
 * out the counters of virtual functions; those of the links come whatever is asked.
 */
export function encodeLinkQuery(query: LinkQuery): Buffer {
  const writer = new AttributeWriter().raw(header(query.index ?? 0, undefined));
  writer.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  if (query.name !== undefined) writer.string(IFLA_IFNAME, query.name);
  if (query.master !== undefined) writer.u32(IFLA_MASTER, query.master);
  const { kind } = query;
  if (kind !== undefined) writer.nested(IFLA_LINKINFO, (info) => info.string(IFLA_INFO_KIND, kind));
  return writer.finish();
}

function common(writer: AttributeWriter, link: Common): void {
  if (link.name !== undefined) writer.string(IFLA_IFNAME, link.name);
  if (link.address !== undefined) writer.bytes(IFLA_ADDRESS, macBytes(link.address));
  if (link.mtu !== undefined) writer.u32(IFLA_MTU, link.mtu);
  if (link.group !== undefined) writer.u32(IFLA_GROUP, link.group);
  if (link.netns !== undefined) writer.u32(IFLA_NET_NS_FD, link.netns);
}

export function decodeLink(payload: Buffer): Link {
  if (payload.length < HEADER) throw new DecodeError(`link: a header of ${payload.length} bytes`);
  const flags = payload.readUInt32LE(8);
  const link: Link = {
    index: payload.readInt32LE(4),
    name: '',
    flags,
    up: (flags & IFF_UP) !== 0,
    type: payload.readUInt16LE(2),
    otherInfo: [],
    other: [],
  };
  readAttributes('link', payload.subarray(HEADER), (reader) => decodeAttribute(reader, link));
  return link;
}

/** With `statistics`, which few want and which are much to decode. */
export function decodeCountedLink(payload: Buffer): Link {
  const link = decodeLink(payload);
  const counted = link.other.find(({ type }) => type === IFLA_STATS64);
  if (!counted) return link;
  const other = link.other.filter((attribute) => attribute !== counted);
  return { ...link, statistics: decodeLinkCounters(counted.data), other };
}

function decodeAttribute(reader: AttributeReader, link: Link): void {
  switch (reader.type) {
    case IFLA_ADDRESS:
      link.address = macText(reader.bytes());
      break;
    case IFLA_IFNAME:
      link.name = reader.string();
      break;
    case IFLA_MTU:
      link.mtu = reader.u32();
      break;
    case IFLA_LINK:
      link.link = reader.u32();
      break;
    case IFLA_MASTER:
      link.master = reader.u32();
      break;
    case IFLA_IFALIAS:
      link.alias = reader.string();
      break;
    case IFLA_GROUP:
      link.group = reader.u32();
      break;
    case IFLA_LINK_NETNSID:
      link.linkNetnsId = reader.i32();
      break;
    case IFLA_LINKINFO:
      Object.assign(link, decodeLinkInfo(reader.bytes()));
      break;
    case IFLA_PROP_LIST:
      decodeProperties(reader.bytes(), link);
      break;
    default:
      link.other.push({ type: reader.type, data: Buffer.from(reader.bytes()) });
  }
}

/** A list of properties; names are the only ones so far (kernel 5.5). */
function decodeProperties(buffer: Buffer, link: Link): void {
  readAttributes('properties', buffer, (reader) => {
    if (reader.type === IFLA_ALT_IFNAME) (link.altNames ??= []).push(reader.string());
    else link.other.push({ type: IFLA_PROP_LIST, data: Buffer.from(buffer) });
  });
}
