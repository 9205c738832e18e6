/** `range OP register FROM TO`: ends the rule unless the value is within (`neq`: outside) FROM to TO, both included. */
import { readData, writeData } from '../data.ts';
import type { ExpressionCodec } from '../expression.ts';
import { nameTable } from '../names.ts';
import { registerNumber, registerSlot } from '../register.ts';

const NFTA_RANGE_SREG = 1;
const NFTA_RANGE_OP = 2;
const NFTA_RANGE_FROM_DATA = 3;
const NFTA_RANGE_TO_DATA = 4;

const OPERATORS = nameTable({ eq: 0, neq: 1 });

export interface Range {
  kind: 'range';
  op: Exclude<ReturnType<typeof OPERATORS.name>, undefined>;
  register: number;
  from: string;
  /** as long as `from` */
  to: string;
}

export const range: ExpressionCodec<Range> = {
  name: 'range',
  encode(writer, expression) {
    writer.be32(NFTA_RANGE_SREG, registerNumber(expression.register));
    writer.be32(NFTA_RANGE_OP, OPERATORS.number(expression.op));
    writeData(writer, NFTA_RANGE_FROM_DATA, expression.from);
    writeData(writer, NFTA_RANGE_TO_DATA, expression.to);
  },
  decode(reader) {
    let op: Range['op'] | undefined;
    let register: number | undefined;
    let from = '';
    let to = '';
    while (reader.next()) {
      if (reader.type === NFTA_RANGE_SREG) register = registerSlot(reader.be32());
      else if (reader.type === NFTA_RANGE_OP) op = OPERATORS.name(reader.be32());
      else if (reader.type === NFTA_RANGE_FROM_DATA) from = readData(reader);
      else if (reader.type === NFTA_RANGE_TO_DATA) to = readData(reader);
      else return undefined;
    }
    if (op === undefined || register === undefined || !from || !to) return undefined;
    return { kind: 'range', op, register, from, to };
  },
};
