import type { AttributeReader, AttributeWriter } from '../../wire/attributes.ts';
import { familyOf, ipBytes, ipText } from '../../wire/text.ts';

const IFLA_VXLAN_ID = 1;
const IFLA_VXLAN_LINK = 3;
const IFLA_VXLAN_LOCAL = 4;
const IFLA_VXLAN_TTL = 5;
const IFLA_VXLAN_LEARNING = 7;
const IFLA_VXLAN_AGEING = 8;
const IFLA_VXLAN_PORT = 15;
const IFLA_VXLAN_LOCAL6 = 17;
const IFLA_VXLAN_UDP_CSUM = 18;
const IFLA_VXLAN_UDP_ZERO_CSUM6_TX = 19;
const IFLA_VXLAN_UDP_ZERO_CSUM6_RX = 20;
const IFLA_VXLAN_COLLECT_METADATA = 25;

export interface VxlanData {
  /** the VNI */
  id?: number;
  /** interface index of the underlay device */
  link?: number;
  /** outer source address; decides the socket's family */
  local?: string;
  ttl?: number;
  learning?: boolean;
  /** seconds */
  ageing?: number;
  /** destination and listening UDP port; the kernel's default is 8472 */
  port?: number;
  udpChecksum?: boolean;
  udpZeroChecksum6Tx?: boolean;
  udpZeroChecksum6Rx?: boolean;
  collectMetadata?: boolean;
}

export function encodeVxlan(writer: AttributeWriter, data: VxlanData): void {
  const flag = (type: number, value: boolean | undefined) => value !== undefined && writer.u8(type, value ? 1 : 0);
  if (data.id !== undefined) writer.u32(IFLA_VXLAN_ID, data.id);
  if (data.link !== undefined) writer.u32(IFLA_VXLAN_LINK, data.link);
  if (data.local !== undefined) {
    writer.bytes(familyOf(data.local) === 4 ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6, ipBytes(data.local));
  }
  if (data.ttl !== undefined) writer.u8(IFLA_VXLAN_TTL, data.ttl);
  flag(IFLA_VXLAN_LEARNING, data.learning);
  if (data.ageing !== undefined) writer.u32(IFLA_VXLAN_AGEING, data.ageing);
  if (data.port !== undefined) writer.be16(IFLA_VXLAN_PORT, data.port);
  flag(IFLA_VXLAN_UDP_CSUM, data.udpChecksum);
  flag(IFLA_VXLAN_UDP_ZERO_CSUM6_TX, data.udpZeroChecksum6Tx);
  flag(IFLA_VXLAN_UDP_ZERO_CSUM6_RX, data.udpZeroChecksum6Rx);
  flag(IFLA_VXLAN_COLLECT_METADATA, data.collectMetadata);
}

export function decodeVxlan(reader: AttributeReader, data: VxlanData): boolean {
  switch (reader.type) {
    case IFLA_VXLAN_ID:
      data.id = reader.u32();
      return true;
    case IFLA_VXLAN_LINK:
      data.link = reader.u32();
      return true;
    case IFLA_VXLAN_LOCAL:
    case IFLA_VXLAN_LOCAL6:
      data.local = ipText(reader.bytes());
      return true;
    case IFLA_VXLAN_TTL:
      data.ttl = reader.u8();
      return true;
    case IFLA_VXLAN_LEARNING:
      data.learning = reader.u8() !== 0;
      return true;
    case IFLA_VXLAN_AGEING:
      data.ageing = reader.u32();
      return true;
    case IFLA_VXLAN_PORT:
      data.port = reader.be16();
      return true;
    case IFLA_VXLAN_UDP_CSUM:
      data.udpChecksum = reader.u8() !== 0;
      return true;
    case IFLA_VXLAN_UDP_ZERO_CSUM6_TX:
      data.udpZeroChecksum6Tx = reader.u8() !== 0;
      return true;
    case IFLA_VXLAN_UDP_ZERO_CSUM6_RX:
      data.udpZeroChecksum6Rx = reader.u8() !== 0;
      return true;
    case IFLA_VXLAN_COLLECT_METADATA:
      data.collectMetadata = reader.u8() !== 0;
      return true;
    default:
      return false;
  }
}
