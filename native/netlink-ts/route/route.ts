/** Routes: RTM_*ROUTE, struct rtmsg and RTA_*. */
import { DecodeError } from '../errors.ts';
import { AttributeWriter, readAttributes } from '../wire/attributes.ts';
import type { Attribute } from '../wire/attributes.ts';
import { familyOf, ipBytes, ipText } from '../wire/text.ts';
import { AF_INET, AF_INET6 } from './constants.ts';

const HEADER = 12;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_TABLE = 15;
const RTN_UNICAST = 1;
const RTM_F_CLONED = 0x200;

export const RT_TABLE_MAIN = 254;
export const RT_TABLE_LOCAL = 255;
export const RT_SCOPE_UNIVERSE = 0;
export const RT_SCOPE_LINK = 253;

export interface Route {
  family: 4 | 6;
  /** CIDR text; the default route is 0.0.0.0/0 or ::/0 */
  destination: string;
  gateway?: string;
  /** index of the outgoing interface */
  oif?: number;
  metric?: number;
  source?: string;
  table: number;
  /** who made it: RTPROT_* */
  protocol: number;
  scope: number;
  /** RTN_*: 1 unicast, 2 local, 3 broadcast ... */
  type: number;
  /** a cached clone, not configuration */
  cloned: boolean;
  other: Attribute[];
}

export interface RouteSpec {
  destination: string;
  gateway?: string;
  oif?: number;
  metric?: number;
  source?: string;
  table?: number;
  protocol?: number;
  scope?: number;
  type?: number;
}

export function encodeRoute(spec: RouteSpec): Buffer {
  const [address = '', length] = spec.destination.split('/');
  const family = familyOf(address);
  const table = spec.table ?? RT_TABLE_MAIN;
  const header = Buffer.alloc(HEADER);
  header.writeUInt8(family === 4 ? AF_INET : AF_INET6, 0);
  header.writeUInt8(Number(length), 1);
  header.writeUInt8(table < 256 ? table : 0, 4);
  header.writeUInt8(spec.protocol ?? 4, 5);
  header.writeUInt8(spec.scope ?? (spec.gateway || family === 6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK), 6);
  header.writeUInt8(spec.type ?? RTN_UNICAST, 7);
  const writer = new AttributeWriter().raw(header);
  if (Number(length) > 0) writer.bytes(RTA_DST, ipBytes(address));
  if (spec.gateway !== undefined) writer.bytes(RTA_GATEWAY, ipBytes(spec.gateway));
  if (spec.source !== undefined) writer.bytes(RTA_PREFSRC, ipBytes(spec.source));
  if (spec.oif !== undefined) writer.u32(RTA_OIF, spec.oif);
  if (spec.metric !== undefined) writer.u32(RTA_PRIORITY, spec.metric);
  writer.u32(RTA_TABLE, table);
  return writer.finish();
}

export function encodeRouteQuery(query: { family?: 4 | 6; table?: number; oif?: number }): Buffer {
  const header = Buffer.alloc(HEADER);
  header.writeUInt8(query.family === 4 ? AF_INET : query.family === 6 ? AF_INET6 : 0, 0);
  const writer = new AttributeWriter().raw(header);
  if (query.table !== undefined) writer.u32(RTA_TABLE, query.table);
  if (query.oif !== undefined) writer.u32(RTA_OIF, query.oif);
  return writer.finish();
}

/** Undefined for families other than IPv4 and IPv6. */
export function decodeRoute(payload: Buffer): Route | undefined {
  if (payload.length < HEADER) throw new DecodeError(`route: a header of ${payload.length} bytes`);
  const number = payload.readUInt8(0);
  if (number !== AF_INET && number !== AF_INET6) return undefined;
  const family = number === AF_INET ? 4 : 6;
  const length = payload.readUInt8(1);
  const route: Route = {
    family,
    destination: `${family === 4 ? '0.0.0.0' : '::'}/${length}`,
    table: payload.readUInt8(4),
    protocol: payload.readUInt8(5),
    scope: payload.readUInt8(6),
    type: payload.readUInt8(7),
    cloned: (payload.readUInt32LE(8) & RTM_F_CLONED) !== 0,
    other: [],
  };
  readAttributes('route', payload.subarray(HEADER), (reader) => {
    if (reader.type === RTA_DST) route.destination = `${ipText(reader.bytes())}/${length}`;
    else if (reader.type === RTA_GATEWAY) route.gateway = ipText(reader.bytes());
    else if (reader.type === RTA_OIF) route.oif = reader.u32();
    else if (reader.type === RTA_PRIORITY) route.metric = reader.u32();
    else if (reader.type === RTA_PREFSRC) route.source = ipText(reader.bytes());
    else if (reader.type === RTA_TABLE) route.table = reader.u32();
    else route.other.push({ type: reader.type, data: Buffer.from(reader.bytes()) });
  });
  return route;
}
