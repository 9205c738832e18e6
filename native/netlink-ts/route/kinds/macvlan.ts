import type { AttributeReader, AttributeWriter } from '../../wire/attributes.ts';

const IFLA_MACVLAN_MODE = 1;
const IFLA_MACVLAN_FLAGS = 2;
const MODES = { private: 1, vepa: 2, bridge: 4, passthru: 8, source: 16 } as const;

export type MacvlanMode = keyof typeof MODES;

/** A device with a hardware address of its own on the lower device that `link` names. */
export interface MacvlanData {
  /** whom the devices of a lower one reach; `vepa` when left out; a number has no name here */
  mode?: MacvlanMode | number;
  /** MACVLAN_FLAG_* */
  flags?: number;
}

export function encodeMacvlan(writer: AttributeWriter, { mode, flags }: MacvlanData): void {
  if (mode !== undefined) writer.u32(IFLA_MACVLAN_MODE, typeof mode === 'number' ? mode : MODES[mode]);
  if (flags !== undefined) writer.u16(IFLA_MACVLAN_FLAGS, flags);
}

export function decodeMacvlan(reader: AttributeReader, data: MacvlanData): boolean {
  switch (reader.type) {
    case IFLA_MACVLAN_MODE:
      data.mode = modeOf(reader.u32());
      return true;
    case IFLA_MACVLAN_FLAGS:
      data.flags = reader.u16();
      return true;
    default:
      return false;
  }
}

function modeOf(number: number): MacvlanMode | number {
  const names = Object.keys(MODES) as MacvlanMode[];
  return names.find((name) => MODES[name] === number) ?? number;
}
