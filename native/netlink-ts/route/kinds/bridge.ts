import type { AttributeReader, AttributeWriter } from '../../wire/attributes.ts';

const IFLA_BR_FORWARD_DELAY = 1;
const IFLA_BR_AGEING_TIME = 4;
const IFLA_BR_STP_STATE = 5;
const IFLA_BR_VLAN_FILTERING = 7;
const IFLA_BR_MCAST_SNOOPING = 23;
const IFLA_BR_NF_CALL_IPTABLES = 36;
const IFLA_BR_NF_CALL_IP6TABLES = 37;
const IFLA_BR_NF_CALL_ARPTABLES = 38;

/** Times are in hundredths of a second, as the kernel's USER_HZ has them. */
export interface BridgeData {
  forwardDelay?: number;
  ageingTime?: number;
  stp?: boolean;
  vlanFiltering?: boolean;
  mcastSnooping?: boolean;
  nfCallIptables?: boolean;
  nfCallIp6tables?: boolean;
  nfCallArptables?: boolean;
}

export function encodeBridge(writer: AttributeWriter, data: BridgeData): void {
  const flag = (type: number, value: boolean | undefined) => value !== undefined && writer.u8(type, value ? 1 : 0);
  if (data.forwardDelay !== undefined) writer.u32(IFLA_BR_FORWARD_DELAY, data.forwardDelay);
  if (data.ageingTime !== undefined) writer.u32(IFLA_BR_AGEING_TIME, data.ageingTime);
  if (data.stp !== undefined) writer.u32(IFLA_BR_STP_STATE, data.stp ? 1 : 0);
  flag(IFLA_BR_VLAN_FILTERING, data.vlanFiltering);
  flag(IFLA_BR_MCAST_SNOOPING, data.mcastSnooping);
  flag(IFLA_BR_NF_CALL_IPTABLES, data.nfCallIptables);
  flag(IFLA_BR_NF_CALL_IP6TABLES, data.nfCallIp6tables);
  flag(IFLA_BR_NF_CALL_ARPTABLES, data.nfCallArptables);
}

export function decodeBridge(reader: AttributeReader, data: BridgeData): boolean {
  switch (reader.type) {
    case IFLA_BR_FORWARD_DELAY:
      data.forwardDelay = reader.u32();
      return true;
    case IFLA_BR_AGEING_TIME:
      data.ageingTime = reader.u32();
      return true;
    case IFLA_BR_STP_STATE:
      data.stp = reader.u32() !== 0;
      return true;
    case IFLA_BR_VLAN_FILTERING:
      data.vlanFiltering = reader.u8() !== 0;
      return true;
    case IFLA_BR_MCAST_SNOOPING:
      data.mcastSnooping = reader.u8() !== 0;
      return true;
    case IFLA_BR_NF_CALL_IPTABLES:
      data.nfCallIptables = reader.u8() !== 0;
      return true;
    case IFLA_BR_NF_CALL_IP6TABLES:
      data.nfCallIp6tables = reader.u8() !== 0;
      return true;
    case IFLA_BR_NF_CALL_ARPTABLES:
      data.nfCallArptables = reader.u8() !== 0;
      return true;
    default:
      return false;
  }
}
