import type { AttributeReader, AttributeWriter } from '../../wire/attributes.ts';

const IFLA_BRPORT_STATE = 1;
const IFLA_BRPORT_MODE = 4;
const IFLA_BRPORT_LEARNING = 8;
const IFLA_BRPORT_UNICAST_FLOOD = 9;
const IFLA_BRPORT_MCAST_FLOOD = 27;
const IFLA_BRPORT_BCAST_FLOOD = 30;
const IFLA_BRPORT_NEIGH_SUPPRESS = 32;
const IFLA_BRPORT_ISOLATED = 33;

export interface BridgePortData {
  /** 0 disabled to 3 forwarding */
  state?: number;
  /** frames may leave by the port they came from */
  hairpin?: boolean;
  learning?: boolean;
  unicastFlood?: boolean;
  mcastFlood?: boolean;
  bcastFlood?: boolean;
  neighSuppress?: boolean;
  isolated?: boolean;
}

const FLAGS = [
  [IFLA_BRPORT_MODE, 'hairpin'],
  [IFLA_BRPORT_LEARNING, 'learning'],
  [IFLA_BRPORT_UNICAST_FLOOD, 'unicastFlood'],
  [IFLA_BRPORT_MCAST_FLOOD, 'mcastFlood'],
  [IFLA_BRPORT_BCAST_FLOOD, 'bcastFlood'],
  [IFLA_BRPORT_NEIGH_SUPPRESS, 'neighSuppress'],
  [IFLA_BRPORT_ISOLATED, 'isolated'],
] as const;

export function encodeBridgePort(writer: AttributeWriter, data: BridgePortData): void {
  if (data.state !== undefined) writer.u8(IFLA_BRPORT_STATE, data.state);
  for (const [type, field] of FLAGS) {
    const value = data[field];
    if (value !== undefined) writer.u8(type, value ? 1 : 0);
  }
}

export function decodeBridgePort(reader: AttributeReader, data: BridgePortData): boolean {
  if (reader.type === IFLA_BRPORT_STATE) {
    data.state = reader.u8();
    return true;
  }
  const flag = FLAGS.find(([type]) => type === reader.type);
  if (!flag) return false;
  data[flag[1]] = reader.u8() !== 0;
  return true;
}
