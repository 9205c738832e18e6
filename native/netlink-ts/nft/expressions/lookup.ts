/**
 * `lookup register set NAME`: ends the rule unless the key is in the set (`invert`: unless it is not). With a destination
 * the set is a map, and the key's value goes into a register, or is the verdict.
 */
import type { ExpressionCodec } from '../expression.ts';
import { NFT_REG_VERDICT, registerNumber, registerSlot } from '../register.ts';

const NFTA_LOOKUP_SET = 1;
const NFTA_LOOKUP_SREG = 2;
const NFTA_LOOKUP_DREG = 3;
/** id of a set that is new in the same batch: never in a dump */
const NFTA_LOOKUP_SET_ID = 4;
const NFTA_LOOKUP_FLAGS = 5;

const NFT_LOOKUP_F_INV = 1;

export interface Lookup {
  kind: 'lookup';
  set: string;
  /** where the key begins */
  register: number;
  invert?: true;
  /** maps only */
  destination?: number | 'verdict';
}

export const lookup: ExpressionCodec<Lookup> = {
  name: 'lookup',
  encode(writer, expression) {
    writer.be32(NFTA_LOOKUP_SREG, registerNumber(expression.register));
    if (expression.destination !== undefined) writer.be32(NFTA_LOOKUP_DREG, destinationNumber(expression.destination));
    writer.string(NFTA_LOOKUP_SET, expression.set);
    if (expression.invert) writer.be32(NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
  },
  decode(reader) {
    const read: { destination?: number | 'verdict' } = {};
    let set = '';
    let register: number | undefined;
    let flags = 0;
    while (reader.next()) {
      if (reader.type === NFTA_LOOKUP_SET) set = reader.string();
      else if (reader.type === NFTA_LOOKUP_SREG) register = registerSlot(reader.be32());
      else if (reader.type === NFTA_LOOKUP_DREG) {
        const destination = destinationOf(reader.be32());
        if (destination === undefined) return undefined;
        read.destination = destination;
      } else if (reader.type === NFTA_LOOKUP_FLAGS) flags = reader.be32();
      else if (reader.type !== NFTA_LOOKUP_SET_ID) return undefined;
    }
    if (register === undefined || (flags & ~NFT_LOOKUP_F_INV) !== 0) return undefined;
    return { kind: 'lookup', set, register, ...(flags ? { invert: true } : {}), ...read };
  },
};

function destinationNumber(destination: number | 'verdict'): number {
  return destination === 'verdict' ? NFT_REG_VERDICT : registerNumber(destination);
}

function destinationOf(register: number): number | 'verdict' | undefined {
  return register === NFT_REG_VERDICT ? 'verdict' : registerSlot(register);
}
