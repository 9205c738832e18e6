/** `immediate register DATA`: a constant in a register. The verdict register is a kind of its own (verdict.ts). */
import { readData, writeData } from '../data.ts';
import type { ExpressionCodec } from '../expression.ts';
import { registerNumber, registerSlot } from '../register.ts';

export const NFTA_IMMEDIATE_DREG = 1;
export const NFTA_IMMEDIATE_DATA = 2;

export interface Immediate {
  kind: 'immediate';
  register: number;
  data: string;
}

export const immediate: ExpressionCodec<Immediate> = {
  name: 'immediate',
  encode(writer, expression) {
    writer.be32(NFTA_IMMEDIATE_DREG, registerNumber(expression.register));
    writeData(writer, NFTA_IMMEDIATE_DATA, expression.data);
  },
  decode(reader) {
    let register: number | undefined;
    let data = '';
    while (reader.next()) {
      if (reader.type === NFTA_IMMEDIATE_DREG) register = registerSlot(reader.be32());
      else if (reader.type === NFTA_IMMEDIATE_DATA) data = readData(reader);
      else return undefined;
    }
    return register === undefined || !data ? undefined : { kind: 'immediate', register, data };
  },
};
