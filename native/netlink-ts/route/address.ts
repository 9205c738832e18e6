/** Addresses of interfaces: RTM_*ADDR, struct ifaddrmsg and IFA_*. */
import { DecodeError } from '../errors.ts';
import { AttributeWriter, readAttributes } from '../wire/attributes.ts';
import type { Attribute } from '../wire/attributes.ts';
import { familyOf, ipBytes, ipText } from '../wire/text.ts';
import { AF_INET, AF_INET6 } from './constants.ts';

const HEADER = 8;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_BROADCAST = 4;
const IFA_CACHEINFO = 6;
const IFA_FLAGS = 8;
const IFA_RT_PRIORITY = 9;
/** of a lifetime: without end */
const FOREVER = 0xffffffff;

export const IFA_F_NODAD = 0x02;
export const IFA_F_DADFAILED = 0x08;
export const IFA_F_TENTATIVE = 0x40;
export const IFA_F_PERMANENT = 0x80;

export interface InterfaceAddress {
  index: number;
  address: string;
  prefix: number;
  /** 0 global, 253 link, 254 host */
  scope: number;
  /** IFA_F_* */
  flags: number;
  broadcast?: string;
  /** seconds until the kernel takes it away; absent: never */
  lifetime?: number;
  /** of the route that comes with it (kernel 4.18); absent: the kernel's own */
  metric?: number;
  other: Attribute[];
}

export interface AddressSpec {
  index: number;
  address: string;
  prefix: number;
  /** IPv6: usable at once, without duplicate address detection */
  nodad?: boolean;
  broadcast?: string;
  /** seconds after which the kernel takes it away by itself, a second or two late */
  lifetime?: number;
  /** IPv6: not for what the host itself begins; only with `lifetime` */
  deprecated?: boolean;
  metric?: number;
}

export function encodeAddress(spec: AddressSpec): Buffer {
  const bytes = ipBytes(spec.address);
  const writer = new AttributeWriter().raw(addressHeader(familyOf(spec.address), spec.prefix, spec.index));
  writer.bytes(IFA_LOCAL, bytes).bytes(IFA_ADDRESS, bytes);
  if (spec.broadcast !== undefined) writer.bytes(IFA_BROADCAST, ipBytes(spec.broadcast));
  if (spec.lifetime !== undefined) writer.bytes(IFA_CACHEINFO, lifetimes(spec.lifetime, spec.deprecated));
  if (spec.metric !== undefined) writer.u32(IFA_RT_PRIORITY, spec.metric);
  if (spec.nodad) writer.u32(IFA_FLAGS, IFA_F_NODAD);
  return writer.finish();
}

/** struct ifa_cacheinfo: preferred, valid, and two stamps that the kernel writes. */
function lifetimes(valid: number, deprecated = false): Buffer {
  const buffer = Buffer.alloc(16);
  buffer.writeUInt32LE(deprecated ? 0 : valid, 0);
  buffer.writeUInt32LE(valid, 4);
  return buffer;
}

export function encodeAddressQuery(query: { index?: number; family?: 4 | 6 }): Buffer {
  return addressHeader(query.family, 0, query.index ?? 0);
}

function addressHeader(family: 4 | 6 | undefined, prefix: number, index: number): Buffer {
  const buffer = Buffer.alloc(HEADER);
  buffer.writeUInt8(family === 4 ? AF_INET : family === 6 ? AF_INET6 : 0, 0);
  buffer.writeUInt8(prefix, 1);
  buffer.writeUInt32LE(index, 4);
  return buffer;
}

export function decodeAddress(payload: Buffer): InterfaceAddress {
  if (payload.length < HEADER) throw new DecodeError(`address: a header of ${payload.length} bytes`);
  const found: InterfaceAddress = {
    index: payload.readUInt32LE(4),
    address: '',
    prefix: payload.readUInt8(1),
    flags: payload.readUInt8(2),
    scope: payload.readUInt8(3),
    other: [],
  };
  let local: string | undefined;
  readAttributes('address', payload.subarray(HEADER), (reader) => {
    if (reader.type === IFA_ADDRESS) found.address = ipText(reader.bytes());
    else if (reader.type === IFA_LOCAL) local = ipText(reader.bytes());
    else if (reader.type === IFA_BROADCAST) found.broadcast = ipText(reader.bytes());
    else if (reader.type === IFA_FLAGS) found.flags = reader.u32();
    else if (reader.type === IFA_RT_PRIORITY) found.metric = reader.u32();
    else if (reader.type === IFA_CACHEINFO) readLifetime(found, reader.bytes());
    else found.other.push({ type: reader.type, data: Buffer.from(reader.bytes()) });
  });
  // On a point-to-point link IFA_ADDRESS is the other end; IFA_LOCAL is ours wherever it is given.
  if (local !== undefined) found.address = local;
  return found;
}

function readLifetime(found: InterfaceAddress, bytes: Buffer): void {
  const valid = bytes.length >= 8 ? bytes.readUInt32LE(4) : FOREVER;
  if (valid !== FOREVER) found.lifetime = valid;
}
