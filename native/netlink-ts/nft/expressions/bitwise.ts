/** `bitwise register = (source & mask) ^ xor`. The shifts, and the operators of kernel 6.13, are read as `other`. */
import { readData, writeData } from '../data.ts';
import type { ExpressionCodec } from '../expression.ts';
import { registerNumber, registerSlot } from '../register.ts';

const NFTA_BITWISE_SREG = 1;
const NFTA_BITWISE_DREG = 2;
const NFTA_BITWISE_LEN = 3;
const NFTA_BITWISE_MASK = 4;
const NFTA_BITWISE_XOR = 5;
const NFTA_BITWISE_OP = 6;

const NFT_BITWISE_MASK_XOR = 0;

export interface Bitwise {
  kind: 'bitwise';
  source: number;
  register: number;
  /** as long as the operands */
  mask: string;
  xor: string;
}

export const bitwise: ExpressionCodec<Bitwise> = {
  name: 'bitwise',
  encode(writer, expression) {
    writer.be32(NFTA_BITWISE_SREG, registerNumber(expression.source));
    writer.be32(NFTA_BITWISE_DREG, registerNumber(expression.register));
    writer.be32(NFTA_BITWISE_OP, NFT_BITWISE_MASK_XOR);
    writer.be32(NFTA_BITWISE_LEN, expression.mask.length / 2);
    writeData(writer, NFTA_BITWISE_MASK, expression.mask);
    writeData(writer, NFTA_BITWISE_XOR, expression.xor);
  },
  decode(reader) {
    const read: Partial<Bitwise> = {};
    while (reader.next()) {
      if (reader.type === NFTA_BITWISE_SREG) read.source = registerSlot(reader.be32());
      else if (reader.type === NFTA_BITWISE_DREG) read.register = registerSlot(reader.be32());
      else if (reader.type === NFTA_BITWISE_MASK) read.mask = readData(reader);
      else if (reader.type === NFTA_BITWISE_XOR) read.xor = readData(reader);
      else if (reader.type === NFTA_BITWISE_OP && reader.be32() !== NFT_BITWISE_MASK_XOR) return undefined;
      else if (reader.type > NFTA_BITWISE_OP) return undefined;
    }
    const { source, register, mask, xor } = read;
    if (source === undefined || register === undefined || !mask || !xor) return undefined;
    return { kind: 'bitwise', source, register, mask, xor };
  },
};
