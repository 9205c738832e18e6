/** `cmp OP register DATA`: ends the rule unless the comparison holds. Bytes are compared as a big-endian number. */
import { readData, writeData } from '../data.ts';
import type { ExpressionCodec } from '../expression.ts';
import { nameTable } from '../names.ts';
import { registerNumber, registerSlot } from '../register.ts';

const NFTA_CMP_SREG = 1;
const NFTA_CMP_OP = 2;
const NFTA_CMP_DATA = 3;

export type CmpOperator = 'eq' | 'neq' | 'lt' | 'lte' | 'gt' | 'gte';

const OPERATORS = nameTable<CmpOperator>({ eq: 0, neq: 1, lt: 2, lte: 3, gt: 4, gte: 5 });

export interface Cmp {
  kind: 'cmp';
  op: CmpOperator;
  register: number;
  data: string;
}

export const cmp: ExpressionCodec<Cmp> = {
  name: 'cmp',
  encode(writer, expression) {
    writer.be32(NFTA_CMP_SREG, registerNumber(expression.register));
    writer.be32(NFTA_CMP_OP, OPERATORS.number(expression.op));
    writeData(writer, NFTA_CMP_DATA, expression.data);
  },
  decode(reader) {
    let register: number | undefined;
    let op: CmpOperator | undefined;
    let data = '';
    while (reader.next()) {
      if (reader.type === NFTA_CMP_SREG) register = registerSlot(reader.be32());
      else if (reader.type === NFTA_CMP_OP) op = OPERATORS.name(reader.be32());
      else if (reader.type === NFTA_CMP_DATA) data = readData(reader);
      else return undefined;
    }
    return register === undefined || op === undefined ? undefined : { kind: 'cmp', op, register, data };
  },
};
