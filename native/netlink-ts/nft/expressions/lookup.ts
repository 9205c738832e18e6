/** `lookup register set NAME`: ends the rule unless the key is in the set (`invert`: unless it is not). Maps are `other`. */
import type { ExpressionCodec } from '../expression.ts';
import { registerNumber, registerSlot } from '../register.ts';

const NFTA_LOOKUP_SET = 1;
const NFTA_LOOKUP_SREG = 2;
const NFTA_LOOKUP_FLAGS = 5;

const NFT_LOOKUP_F_INV = 1;

export interface Lookup {
  kind: 'lookup';
  set: string;
  register: number;
  invert?: true;
}

export const lookup: ExpressionCodec<Lookup> = {
  name: 'lookup',
  encode(writer, expression) {
    writer.be32(NFTA_LOOKUP_SREG, registerNumber(expression.register));
    writer.string(NFTA_LOOKUP_SET, expression.set);
    if (expression.invert) writer.be32(NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
  },
  decode(reader) {
    let set = '';
    let register: number | undefined;
    let flags = 0;
    while (reader.next()) {
      if (reader.type === NFTA_LOOKUP_SET) set = reader.string();
      else if (reader.type === NFTA_LOOKUP_SREG) register = registerSlot(reader.be32());
      else if (reader.type === NFTA_LOOKUP_FLAGS) flags = reader.be32();
      else return undefined;
    }
    if (register === undefined || (flags & ~NFT_LOOKUP_F_INV) !== 0) return undefined;
    return { kind: 'lookup', set, register, ...(flags ? { invert: true } : {}) };
  },
};
