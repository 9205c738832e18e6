/**
 * What snat, dnat, masquerade and redirect have in common: ports in registers, and flags. The kernel adds flags that follow
 * from the registers and answers the upper register even where it is the lower one again: neither is part of the model.
 */
import type { AttributeReader, AttributeWriter } from '../../wire/attributes.ts';
import { bitMask, bitNames } from '../names.ts';
import { registerNumber, registerSlot } from '../register.ts';

const FLAGS = { random: 0x04, persistent: 0x08, 'fully-random': 0x10, netmap: 0x40 } as const;
const NF_NAT_RANGE_MAP_IPS = 0x01;
const NF_NAT_RANGE_PROTO_SPECIFIED = 0x02;
const IMPLIED = NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED;

/** `netmap`: the lower and the upper address are a prefix that takes the place of the packet's own */
export type NatFlag = keyof typeof FLAGS;

export interface PortRegisters {
  /** where the port is, or the lowest of a range */
  port?: number;
  /** where the highest port of a range is */
  portMax?: number;
  /** in the order random, persistent, fully-random, netmap */
  flags?: NatFlag[];
}

function natFlags({ port, flags = [] }: PortRegisters): number {
  return bitMask(FLAGS, flags) | (port === undefined ? 0 : NF_NAT_RANGE_PROTO_SPECIFIED);
}

/** Undefined for a flag without a name here. */
function natFlagNames(mask: number): NatFlag[] | undefined {
  return bitNames(FLAGS, mask & ~IMPLIED);
}

/** The attributes of ports and flags, whose numbers differ from expression to expression. */
export interface PortAttributes {
  port: number;
  portMax: number;
  flags: number;
}

export function writePorts(
  writer: AttributeWriter,
  registers: PortRegisters,
  numbers: Omit<PortAttributes, 'flags'>,
): void {
  if (registers.port !== undefined) writer.be32(numbers.port, registerNumber(registers.port));
  if (registers.portMax !== undefined) writer.be32(numbers.portMax, registerNumber(registers.portMax));
}

export function writeFlags(writer: AttributeWriter, registers: PortRegisters, type: number): void {
  const flags = natFlags(registers);
  if (flags) writer.be32(type, flags);
}

/** An upper register that is the lower one again says nothing. */
export function upperRegister(lower: number | undefined, upper: number | undefined): number | undefined {
  return upper === lower ? undefined : upper;
}

/** Gathers ports and flags while an expression is read; `false` for an attribute that is none of them. */
export class PortReader {
  readonly #numbers: PortAttributes;
  #port: number | undefined;
  #portMax: number | undefined;
  #mask = 0;

  constructor(numbers: PortAttributes) {
    this.#numbers = numbers;
  }

  take(reader: AttributeReader): boolean {
    if (reader.type === this.#numbers.port) this.#port = registerSlot(reader.be32());
    else if (reader.type === this.#numbers.portMax) this.#portMax = registerSlot(reader.be32());
    else if (reader.type === this.#numbers.flags) this.#mask = reader.be32();
    else return false;
    return true;
  }

  finish(): PortRegisters | undefined {
    const flags = natFlagNames(this.#mask);
    if (!flags) return undefined;
    const portMax = upperRegister(this.#port, this.#portMax);
    return {
      ...(this.#port === undefined ? {} : { port: this.#port }),
      ...(portMax === undefined ? {} : { portMax }),
      ...(flags.length ? { flags } : {}),
    };
  }
}
