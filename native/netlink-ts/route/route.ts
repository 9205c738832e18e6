/** Routes: RTM_*ROUTE, struct rtmsg and RTA_*. */
import { DecodeError } from '../errors.ts';
import { AttributeWriter, readAttributes } from '../wire/attributes.ts';
import type { Attribute, AttributeReader } from '../wire/attributes.ts';
import { familyOf, ipBytes, ipText } from '../wire/text.ts';
import { AF_INET, AF_INET6 } from './constants.ts';

const HEADER = 12;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_METRICS = 8;
const RTA_TABLE = 15;
const RTA_VIA = 18;
const RTAX_MTU = 2;
const RTNH_F_ONLINK = 4;
const RTM_F_CLONED = 0x200;

export const RTN_UNICAST = 1;
export const RTN_LOCAL = 2;
export const RTN_BROADCAST = 3;
export const RTN_BLACKHOLE = 6;
export const RTN_UNREACHABLE = 7;
export const RTN_PROHIBIT = 8;

export const RT_TABLE_MAIN = 254;
export const RT_TABLE_LOCAL = 255;
export const RT_SCOPE_UNIVERSE = 0;
export const RT_SCOPE_LINK = 253;
export const RT_SCOPE_HOST = 254;

export interface Route {
  family: 4 | 6;
  /** CIDR text; the default route is 0.0.0.0/0 or ::/0 */
  destination: string;
  /** may be of IPv6 where the destination is of IPv4 (kernel 5.2) */
  gateway?: string;
  /** the gateway is taken as reachable by the interface, whatever the addresses say */
  onlink?: boolean;
  /** index of the outgoing interface */
  oif?: number;
  metric?: number;
  source?: string;
  /** of packets that take this route, where it is smaller than the interface's */
  mtu?: number;
  table: number;
  /** who made it: RTPROT_* */
  protocol: number;
  scope: number;
  /** RTN_*: 1 unicast, 2 local, 3 broadcast ... */
  type: number;
  /** a cached clone, not configuration */
  cloned: boolean;
  /** nexthops of a route with several of them among these */
  other: Attribute[];
}

export interface RouteSpec {
  destination: string;
  gateway?: string;
  onlink?: boolean;
  oif?: number;
  metric?: number;
  source?: string;
  mtu?: number;
  table?: number;
  protocol?: number;
  /** what the type and the gateway make of it when left out, as `ip` does */
  scope?: number;
  /** RTN_UNICAST when left out */
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
  header.writeUInt8(spec.scope ?? (family === 6 ? RT_SCOPE_UNIVERSE : scopeOf(spec)), 6);
  header.writeUInt8(spec.type ?? RTN_UNICAST, 7);
  header.writeUInt32LE(spec.onlink ? RTNH_F_ONLINK : 0, 8);
  const writer = new AttributeWriter().raw(header);
  if (Number(length) > 0) writer.bytes(RTA_DST, ipBytes(address));
  if (spec.gateway !== undefined) gateway(writer, spec.gateway, family);
  if (spec.source !== undefined) writer.bytes(RTA_PREFSRC, ipBytes(spec.source));
  if (spec.oif !== undefined) writer.u32(RTA_OIF, spec.oif);
  if (spec.metric !== undefined) writer.u32(RTA_PRIORITY, spec.metric);
  const { mtu } = spec;
  if (mtu !== undefined) writer.nested(RTA_METRICS, (metrics) => metrics.u32(RTAX_MTU, mtu));
  writer.u32(RTA_TABLE, table);
  return writer.finish();
}

function scopeOf({ type = RTN_UNICAST, gateway: via }: RouteSpec): number {
  if (type === RTN_LOCAL) return RT_SCOPE_HOST;
  const onLink = type === RTN_BROADCAST || (type === RTN_UNICAST && via === undefined);
  return onLink ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

/** struct rtvia for a gateway of the other family. */
function gateway(writer: AttributeWriter, address: string, family: 4 | 6): void {
  const bytes = ipBytes(address);
  if (familyOf(address) === family) {
    writer.bytes(RTA_GATEWAY, bytes);
    return;
  }
  const number = Buffer.alloc(2);
  number.writeUInt16LE(familyOf(address) === 4 ? AF_INET : AF_INET6);
  writer.bytes(RTA_VIA, Buffer.concat([number, bytes]));
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
  if ((payload.readUInt32LE(8) & RTNH_F_ONLINK) !== 0) route.onlink = true;
  readAttributes('route', payload.subarray(HEADER), (reader) => decodeAttribute(reader, route, length));
  return route;
}

function decodeAttribute(reader: AttributeReader, route: Route, length: number): void {
  switch (reader.type) {
    case RTA_DST:
      route.destination = `${ipText(reader.bytes())}/${length}`;
      break;
    case RTA_GATEWAY:
      route.gateway = ipText(reader.bytes());
      break;
    case RTA_VIA:
      route.gateway = ipText(reader.bytes().subarray(2));
      break;
    case RTA_OIF:
      route.oif = reader.u32();
      break;
    case RTA_PRIORITY:
      route.metric = reader.u32();
      break;
    case RTA_PREFSRC:
      route.source = ipText(reader.bytes());
      break;
    case RTA_TABLE:
      route.table = reader.u32();
      break;
    case RTA_METRICS:
      decodeMetrics(reader, route);
      break;
    default:
      route.other.push({ type: reader.type, data: Buffer.from(reader.bytes()) });
  }
}

/** The whole list is kept when there is more in it than an MTU. */
function decodeMetrics(reader: AttributeReader, route: Route): void {
  const types: number[] = [];
  readAttributes('metrics', reader.bytes(), (metric) => {
    types.push(metric.type);
    if (metric.type === RTAX_MTU) route.mtu = metric.u32();
  });
  if (types.some((type) => type !== RTAX_MTU)) {
    route.other.push({ type: RTA_METRICS, data: Buffer.from(reader.bytes()) });
  }
}
