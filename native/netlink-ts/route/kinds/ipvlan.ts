import type { AttributeReader, AttributeWriter } from '../../wire/attributes.ts';

const IFLA_IPVLAN_MODE = 1;
const IFLA_IPVLAN_FLAGS = 2;
const MODES = ['l2', 'l3', 'l3s'] as const;

export type IpvlanMode = (typeof MODES)[number];

/** A device that shares the hardware address of the lower device that `link` names. */
export interface IpvlanData {
  /** `l3` when left out; a number has no name here */
  mode?: IpvlanMode | number;
  /** 0 bridge, 1 private, 2 vepa: whom the devices of a lower one reach (kernel 4.15) */
  flags?: number;
}

export function encodeIpvlan(writer: AttributeWriter, { mode, flags }: IpvlanData): void {
  if (mode !== undefined) writer.u16(IFLA_IPVLAN_MODE, typeof mode === 'number' ? mode : MODES.indexOf(mode));
  if (flags !== undefined) writer.u16(IFLA_IPVLAN_FLAGS, flags);
}

export function decodeIpvlan(reader: AttributeReader, data: IpvlanData): boolean {
  switch (reader.type) {
    case IFLA_IPVLAN_MODE: {
      const mode = reader.u16();
      data.mode = MODES[mode] ?? mode;
      return true;
    }
    case IFLA_IPVLAN_FLAGS:
      data.flags = reader.u16();
      return true;
    default:
      return false;
  }
}
