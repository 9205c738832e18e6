import type { AttributeReader, AttributeWriter } from '../../wire/attributes.ts';

const IFLA_VLAN_ID = 1;
const IFLA_VLAN_PROTOCOL = 5;

/** 802.1Q, the kernel's default */
export const ETH_P_8021Q = 0x8100;
/** 802.1ad, for a tag outside another */
export const ETH_P_8021AD = 0x88a8;

/** A tag's own device on the lower device that `link` names. */
export interface VlanData {
  /** 0 to 4094; needed to make one */
  id?: number;
  protocol?: number;
}

export function encodeVlan(writer: AttributeWriter, data: VlanData): void {
  if (data.id !== undefined) writer.u16(IFLA_VLAN_ID, data.id);
  if (data.protocol !== undefined) writer.be16(IFLA_VLAN_PROTOCOL, data.protocol);
}

export function decodeVlan(reader: AttributeReader, data: VlanData): boolean {
  switch (reader.type) {
    case IFLA_VLAN_ID:
      data.id = reader.u16();
      return true;
    case IFLA_VLAN_PROTOCOL:
      data.protocol = reader.be16();
      return true;
    default:
      return false;
  }
}
