/** What a link is and what its kind adds: IFLA_LINKINFO. Every kind with data of its own stands in kinds/. */
import { readAttributes } from '../wire/attributes.ts';
import type { Attribute, AttributeReader, AttributeWriter } from '../wire/attributes.ts';
import { decodeBridgePort, encodeBridgePort } from './kinds/bridge-port.ts';
import type { BridgePortData } from './kinds/bridge-port.ts';
import { decodeBridge, encodeBridge } from './kinds/bridge.ts';
import type { BridgeData } from './kinds/bridge.ts';
import { decodeIpvlan, encodeIpvlan } from './kinds/ipvlan.ts';
import type { IpvlanData } from './kinds/ipvlan.ts';
import { decodeMacvlan, encodeMacvlan } from './kinds/macvlan.ts';
import type { MacvlanData } from './kinds/macvlan.ts';
import { decodeVlan, encodeVlan } from './kinds/vlan.ts';
import type { VlanData } from './kinds/vlan.ts';
import { decodeVxlan, encodeVxlan } from './kinds/vxlan.ts';
import type { VxlanData } from './kinds/vxlan.ts';

const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_INFO_SLAVE_KIND = 4;
const IFLA_INFO_SLAVE_DATA = 5;

/** Data of a kind; that of the link's own kind counts. */
export interface KindData {
  bridge?: BridgeData;
  vxlan?: VxlanData;
  vlan?: VlanData;
  macvlan?: MacvlanData;
  ipvlan?: IpvlanData;
}

/** As read: with the attributes that this library does not read. */
export type Read<Data> = Data & { other: Attribute[] };

export interface LinkInfo {
  /** absent for hardware and the loopback device */
  kind?: string;
  bridge?: Read<BridgeData>;
  vxlan?: Read<VxlanData>;
  vlan?: Read<VlanData>;
  macvlan?: Read<MacvlanData>;
  ipvlan?: Read<IpvlanData>;
  /** of what it is a port: `bridge`, `bond` ... */
  portKind?: string;
  bridgePort?: Read<BridgePortData>;
  /** attributes of IFLA_LINKINFO that this library does not read, the data of other kinds among them */
  otherInfo: Attribute[];
}

/** The data of a kind, for IFLA_LINKINFO of a link that is made or changed. */
export function encodeKind(info: AttributeWriter, kind: string, data: KindData): void {
  info.string(IFLA_INFO_KIND, kind);
  const { bridge, vxlan, vlan, macvlan, ipvlan } = data;
  const write = (fill: (inner: AttributeWriter) => void) => info.nested(IFLA_INFO_DATA, fill);
  if (bridge) write((inner) => encodeBridge(inner, bridge));
  if (vxlan) write((inner) => encodeVxlan(inner, vxlan));
  if (vlan) write((inner) => encodeVlan(inner, vlan));
  if (macvlan) write((inner) => encodeMacvlan(inner, macvlan));
  if (ipvlan) write((inner) => encodeIpvlan(inner, ipvlan));
}

export function encodePort(info: AttributeWriter, port: BridgePortData): void {
  info.string(IFLA_INFO_SLAVE_KIND, 'bridge');
  info.nested(IFLA_INFO_SLAVE_DATA, (data) => encodeBridgePort(data, port));
}

export function decodeLinkInfo(buffer: Buffer): LinkInfo {
  const info: LinkInfo = { otherInfo: [] };
  let data: Buffer | undefined;
  let portData: Buffer | undefined;
  readAttributes('linkinfo', buffer, (reader) => {
    if (reader.type === IFLA_INFO_KIND) info.kind = reader.string();
    else if (reader.type === IFLA_INFO_DATA) data = reader.bytes();
    else if (reader.type === IFLA_INFO_SLAVE_KIND) info.portKind = reader.string();
    else if (reader.type === IFLA_INFO_SLAVE_DATA) portData = reader.bytes();
    else info.otherInfo.push({ type: reader.type, data: Buffer.from(reader.bytes()) });
  });
  if (data && !decodeKind(data, info)) info.otherInfo.push({ type: IFLA_INFO_DATA, data: Buffer.from(data) });
  if (portData && info.portKind === 'bridge')
    info.bridgePort = read<BridgePortData>('port', portData, decodeBridgePort);
  else if (portData) info.otherInfo.push({ type: IFLA_INFO_SLAVE_DATA, data: Buffer.from(portData) });
  return info;
}

/** False for kinds that this library does not read. */
function decodeKind(data: Buffer, info: LinkInfo): boolean {
  switch (info.kind) {
    case 'bridge':
      info.bridge = read<BridgeData>('bridge', data, decodeBridge);
      return true;
    case 'vxlan':
      info.vxlan = read<VxlanData>('vxlan', data, decodeVxlan);
      return true;
    case 'vlan':
      info.vlan = read<VlanData>('vlan', data, decodeVlan);
      return true;
    case 'macvlan':
      info.macvlan = read<MacvlanData>('macvlan', data, decodeMacvlan);
      return true;
    case 'ipvlan':
      info.ipvlan = read<IpvlanData>('ipvlan', data, decodeIpvlan);
      return true;
    default:
      return false;
  }
}

/** `decode` says whether it knows an attribute. */
function read<Data extends object>(
  context: string,
  buffer: Buffer,
  decode: (reader: AttributeReader, data: Partial<Data>) => boolean,
): Read<Partial<Data>> {
  const data: Read<Partial<Data>> = { other: [] as Attribute[] } as Read<Partial<Data>>;
  readAttributes(context, buffer, (reader) => {
    if (!decode(reader, data)) data.other.push({ type: reader.type, data: Buffer.from(reader.bytes()) });
  });
  return data;
}
