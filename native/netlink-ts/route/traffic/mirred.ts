/** Redirects packets to another device, or sends copies there: struct tc_mirred (linux/tc_act/tc_mirred.h). */
import { DecodeError } from '../../errors.ts';
import { readAttributes } from '../../wire/attributes.ts';
import type { Attribute, AttributeWriter } from '../../wire/attributes.ts';

const TCA_MIRRED_PARMS = 2;
const PARMS_LENGTH = 28;
/** Within the parameters: what becomes of the packet, what is done, and the device. */
const CONTROL = 8;
const EACTION = 20;
const DEVICE = 24;

const TC_ACT_PIPE = 3;
const TC_ACT_STOLEN = 4;

const EACTIONS = [
  { number: 1, do: 'redirect', at: 'egress' },
  { number: 2, do: 'mirror', at: 'egress' },
  { number: 3, do: 'redirect', at: 'ingress' },
  { number: 4, do: 'mirror', at: 'ingress' },
] as const;

export interface MirredData {
  /** `mirror`: a copy goes, and the packet on to the next action */
  do: 'redirect' | 'mirror';
  /** `egress`: as if sent by the device; `ingress`: as if received there */
  at: 'egress' | 'ingress';
  /** index of the device */
  device: number;
}

export interface Mirred extends MirredData {
  other: Attribute[];
}

export function encodeMirred(writer: AttributeWriter, mirred: MirredData): void {
  const parameters = Buffer.alloc(PARMS_LENGTH);
  parameters.writeInt32LE(mirred.do === 'redirect' ? TC_ACT_STOLEN : TC_ACT_PIPE, CONTROL);
  const eaction = EACTIONS.find((one) => one.do === mirred.do && one.at === mirred.at);
  parameters.writeInt32LE(eaction?.number ?? 0, EACTION);
  parameters.writeUInt32LE(mirred.device, DEVICE);
  writer.bytes(TCA_MIRRED_PARMS, parameters);
}

/** Undefined where the kernel does what this library has no words for. */
export function decodeMirred(buffer: Buffer): Mirred | undefined {
  const other: Attribute[] = [];
  let found: MirredData | undefined;
  readAttributes('mirred', buffer, (reader) => {
    if (reader.type === TCA_MIRRED_PARMS) found = decodeParameters(reader.bytes());
    else other.push({ type: reader.type, data: Buffer.from(reader.bytes()) });
  });
  return found && { ...found, other };
}

function decodeParameters(data: Buffer): MirredData | undefined {
  if (data.length < PARMS_LENGTH) throw new DecodeError(`parameters of ${data.length} bytes`);
  const eaction = EACTIONS.find((one) => one.number === data.readInt32LE(EACTION));
  return eaction && { do: eaction.do, at: eaction.at, device: data.readUInt32LE(DEVICE) };
}
