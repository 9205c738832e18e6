/** Neighbours and forwarding entries of bridges: RTM_*NEIGH, struct ndmsg and NDA_*. */
import { DecodeError } from '../errors.ts';
import { AttributeWriter, readAttributes } from '../wire/attributes.ts';
import type { Attribute } from '../wire/attributes.ts';
import { familyOf, ipBytes, ipText, macBytes, macText } from '../wire/text.ts';
import { AF_BRIDGE, AF_INET, AF_INET6 } from './constants.ts';

const HEADER = 12;
const NDA_DST = 1;
const NDA_LLADDR = 2;
const NDA_VLAN = 5;
const NDA_VNI = 7;
const NDA_IFINDEX = 8;
const NDA_MASTER = 9;

export const NUD_REACHABLE = 0x02;
export const NUD_STALE = 0x04;
export const NUD_NOARP = 0x40;
export const NUD_PERMANENT = 0x80;

export const NTF_SELF = 0x02;
export const NTF_MASTER = 0x04;
export const NTF_EXT_LEARNED = 0x10;

export interface Neighbour {
  index: number;
  family: 4 | 6;
  address: string;
  /** absent while unresolved */
  mac?: string;
  /** NUD_* */
  state: number;
  flags: number;
  other: Attribute[];
}

export interface NeighbourSpec {
  index: number;
  address: string;
  mac: string;
  /** NUD_PERMANENT when left out */
  state?: number;
}

export interface FdbEntry {
  /** the port, or the vxlan device */
  index: number;
  mac: string;
  /** `master`: the bridge's own table; `self`: the device's (vxlan: MAC to outer address) */
  via: 'master' | 'self';
  /** index of the bridge, for `master` entries */
  master?: number;
  /** outer address, for a vxlan device's entries */
  dst?: string;
  vlan?: number;
  vni?: number;
  state: number;
  flags: number;
  other: Attribute[];
}

export interface FdbSpec {
  index: number;
  mac: string;
  via: 'master' | 'self';
  dst?: string;
  /** `local`: the bridge's own address; `static`: never ages; the kernel ages others */
  state?: 'static' | 'local' | 'dynamic';
}

export function encodeNeighbour(spec: NeighbourSpec): Buffer {
  const family = familyOf(spec.address) === 4 ? AF_INET : AF_INET6;
  return new AttributeWriter()
    .raw(neighbourHeader(family, spec.index, spec.state ?? NUD_PERMANENT, 0))
    .bytes(NDA_DST, ipBytes(spec.address))
    .bytes(NDA_LLADDR, macBytes(spec.mac))
    .finish();
}

export function encodeNeighbourKey(key: { index: number; address: string }): Buffer {
  const family = familyOf(key.address) === 4 ? AF_INET : AF_INET6;
  return new AttributeWriter()
    .raw(neighbourHeader(family, key.index, 0, 0))
    .bytes(NDA_DST, ipBytes(key.address))
    .finish();
}

export function encodeFdb(spec: FdbSpec): Buffer {
  // What a vxlan device never ages has to be permanent; what a bridge never ages must not be, or it is the bridge's own.
  const fixed = spec.via === 'self' ? NUD_PERMANENT | NUD_NOARP : NUD_NOARP;
  const states = { static: fixed, local: NUD_PERMANENT, dynamic: NUD_REACHABLE };
  const writer = new AttributeWriter().raw(
    neighbourHeader(AF_BRIDGE, spec.index, states[spec.state ?? 'static'], spec.via === 'self' ? NTF_SELF : NTF_MASTER),
  );
  writer.bytes(NDA_LLADDR, macBytes(spec.mac));
  if (spec.dst !== undefined) writer.bytes(NDA_DST, ipBytes(spec.dst));
  return writer.finish();
}

/** A dump's filter: strict checking wants the header empty and the rest as attributes. */
export function encodeNeighbourQuery(query: { index?: number; family?: 4 | 6 }): Buffer {
  const family = query.family === 4 ? AF_INET : query.family === 6 ? AF_INET6 : 0;
  const writer = new AttributeWriter().raw(neighbourHeader(family, 0, 0, 0));
  if (query.index !== undefined) writer.u32(NDA_IFINDEX, query.index);
  return writer.finish();
}

/** `bridge`: the entries of a bridge's ports; `index`: those of one device. */
export function encodeFdbQuery(query: { bridge?: number; index?: number }): Buffer {
  const writer = new AttributeWriter().raw(neighbourHeader(AF_BRIDGE, 0, 0, 0));
  if (query.index !== undefined) writer.u32(NDA_IFINDEX, query.index);
  if (query.bridge !== undefined) writer.u32(NDA_MASTER, query.bridge);
  return writer.finish();
}

function neighbourHeader(family: number, index: number, state: number, flags: number): Buffer {
  const buffer = Buffer.alloc(HEADER);
  buffer.writeUInt8(family, 0);
  buffer.writeInt32LE(index, 4);
  buffer.writeUInt16LE(state, 8);
  buffer.writeUInt8(flags, 10);
  return buffer;
}

interface Raw {
  family: number;
  index: number;
  state: number;
  flags: number;
  dst: Buffer | undefined;
  mac: string | undefined;
  master: number | undefined;
  vlan: number | undefined;
  vni: number | undefined;
  other: Attribute[];
}

function decode(payload: Buffer): Raw {
  if (payload.length < HEADER) throw new DecodeError(`neighbour: a header of ${payload.length} bytes`);
  const raw: Raw = {
    family: payload.readUInt8(0),
    index: payload.readInt32LE(4),
    state: payload.readUInt16LE(8),
    flags: payload.readUInt8(10),
    dst: undefined,
    mac: undefined,
    master: undefined,
    vlan: undefined,
    vni: undefined,
    other: [],
  };
  readAttributes('neighbour', payload.subarray(HEADER), (reader) => {
    if (reader.type === NDA_DST) raw.dst = reader.bytes();
    else if (reader.type === NDA_LLADDR) raw.mac = macText(reader.bytes());
    else if (reader.type === NDA_MASTER) raw.master = reader.u32();
    else if (reader.type === NDA_VLAN) raw.vlan = reader.u16();
    else if (reader.type === NDA_VNI) raw.vni = reader.u32();
    else raw.other.push({ type: reader.type, data: Buffer.from(reader.bytes()) });
  });
  return raw;
}

/** Undefined for entries that are no IP neighbours: forwarding entries, other families. */
export function decodeNeighbour(payload: Buffer): Neighbour | undefined {
  const raw = decode(payload);
  if ((raw.family !== AF_INET && raw.family !== AF_INET6) || !raw.dst) return undefined;
  return {
    index: raw.index,
    family: raw.family === AF_INET ? 4 : 6,
    address: ipText(raw.dst),
    ...(raw.mac ? { mac: raw.mac } : {}),
    state: raw.state,
    flags: raw.flags,
    other: raw.other,
  };
}

/** Undefined for what is no forwarding entry with a MAC. */
export function decodeFdb(payload: Buffer): FdbEntry | undefined {
  const raw = decode(payload);
  if (raw.family !== AF_BRIDGE || !raw.mac) return undefined;
  return {
    index: raw.index,
    mac: raw.mac,
    via: (raw.flags & NTF_SELF) !== 0 ? 'self' : 'master',
    ...(raw.master === undefined ? {} : { master: raw.master }),
    ...(raw.dst && raw.dst.length > 0 ? { dst: ipText(raw.dst) } : {}),
    ...(raw.vlan === undefined ? {} : { vlan: raw.vlan }),
    ...(raw.vni === undefined ? {} : { vni: raw.vni }),
    state: raw.state,
    flags: raw.flags,
    other: raw.other,
  };
}
