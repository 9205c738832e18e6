/** A filter that is a program: TCA_BPF_* (linux/pkt_cls.h). */
import { DecodeError } from '../../errors.ts';
import { readAttributes } from '../../wire/attributes.ts';
import type { Attribute, AttributeReader, AttributeWriter } from '../../wire/attributes.ts';
import { decodeActions, encodeActions } from './action.ts';
import type { Action, ActionSpec } from './action.ts';

const TCA_BPF_ACT = 1;
const TCA_BPF_CLASSID = 3;
const TCA_BPF_OPS_LEN = 4;
const TCA_BPF_OPS = 5;
const TCA_BPF_FD = 6;
const TCA_BPF_NAME = 7;
const TCA_BPF_FLAGS = 8;
const TCA_BPF_TAG = 10;
const TCA_BPF_ID = 11;
const TCA_BPF_FLAG_ACT_DIRECT = 1;
const INSTRUCTION = 8;

/** struct sock_filter: an instruction of classic BPF. */
export interface ClassicInstruction {
  code: number;
  jt: number;
  jf: number;
  k: number;
}

/** One instruction that matches every packet. */
export const MATCH_EVERY_PACKET: readonly ClassicInstruction[] = [{ code: 0x06, jt: 0, jf: 0, k: 0xffffffff }];

interface Common {
  /** shown by `tc`; a program of instructions has none */
  name?: string;
  /** true: what the program returns is the verdict, a TC_ACT_*, and there are no actions */
  directAction?: boolean;
  /** class that matching packets go to, where the program does not say */
  classId?: number;
  /** a program of classic BPF: what it returns matches unless 0 */
  instructions?: readonly ClassicInstruction[];
}

/** A program by descriptor, or as instructions. */
export interface BpfSpec extends Common {
  /** of a loaded program (BPF_PROG_TYPE_SCHED_CLS); may be closed afterwards */
  fd?: number;
  actions?: readonly ActionSpec[];
}

export interface BpfFilter extends Common {
  directAction: boolean;
  /** of a loaded program */
  id?: number;
  /** of a loaded program: a digest of it, 8 bytes in hexadecimal */
  tag?: string;
  actions: Action[];
  other: Attribute[];
}

export function encodeBpf(writer: AttributeWriter, spec: BpfSpec): void {
  const { actions, instructions } = spec;
  if (actions) writer.nested(TCA_BPF_ACT, (list) => encodeActions(list, actions));
  if (spec.classId !== undefined) writer.u32(TCA_BPF_CLASSID, spec.classId);
  if (instructions) writer.u16(TCA_BPF_OPS_LEN, instructions.length).bytes(TCA_BPF_OPS, instructionBytes(instructions));
  if (spec.fd !== undefined) writer.u32(TCA_BPF_FD, spec.fd);
  if (spec.name !== undefined) writer.string(TCA_BPF_NAME, spec.name);
  if (spec.directAction) writer.u32(TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
}

export function decodeBpf(buffer: Buffer): BpfFilter {
  const filter: BpfFilter = { directAction: false, actions: [], other: [] };
  readAttributes('bpf', buffer, (reader) => decodeAttribute(reader, filter));
  return filter;
}

function decodeAttribute(reader: AttributeReader, filter: BpfFilter): void {
  switch (reader.type) {
    case TCA_BPF_ACT:
      filter.actions = decodeActions(reader.bytes());
      break;
    case TCA_BPF_CLASSID:
      filter.classId = reader.u32();
      break;
    case TCA_BPF_OPS_LEN:
      break;
    case TCA_BPF_OPS:
      filter.instructions = readInstructions(reader.bytes());
      break;
    case TCA_BPF_NAME:
      filter.name = reader.string();
      break;
    case TCA_BPF_FLAGS:
      filter.directAction = (reader.u32() & TCA_BPF_FLAG_ACT_DIRECT) !== 0;
      break;
    case TCA_BPF_TAG:
      filter.tag = reader.bytes().toString('hex');
      break;
    case TCA_BPF_ID:
      filter.id = reader.u32();
      break;
    default:
      filter.other.push({ type: reader.type, data: Buffer.from(reader.bytes()) });
  }
}

function instructionBytes(instructions: readonly ClassicInstruction[]): Buffer {
  const buffer = Buffer.alloc(instructions.length * INSTRUCTION);
  instructions.forEach(({ code, jt, jf, k }, i) => {
    const at = i * INSTRUCTION;
    buffer.writeUInt16LE(code, at);
    buffer.writeUInt8(jt, at + 2);
    buffer.writeUInt8(jf, at + 3);
    buffer.writeUInt32LE(k >>> 0, at + 4);
  });
  return buffer;
}

function readInstructions(data: Buffer): ClassicInstruction[] {
  if (data.length % INSTRUCTION !== 0) throw new DecodeError(`instructions of ${data.length} bytes`);
  return Array.from({ length: data.length / INSTRUCTION }, (_, i) => {
    const one = data.subarray(i * INSTRUCTION);
    return { code: one.readUInt16LE(0), jt: one.readUInt8(2), jf: one.readUInt8(3), k: one.readUInt32LE(4) };
  });
}
