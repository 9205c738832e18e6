/** `payload load LENGTHb @ BASE header + OFFSET => register`: bytes of the packet. Offset and length in bytes. */
import type { ExpressionCodec } from '../expression.ts';
import { nameTable } from '../names.ts';
import { registerNumber, registerSlot } from '../register.ts';

const NFTA_PAYLOAD_DREG = 1;
export const NFTA_PAYLOAD_BASE = 2;
export const NFTA_PAYLOAD_OFFSET = 3;
export const NFTA_PAYLOAD_LEN = 4;

export type PayloadBase = 'link' | 'network' | 'transport';

export const PAYLOAD_BASES = nameTable<PayloadBase>({ link: 0, network: 1, transport: 2 });

export interface Payload {
  kind: 'payload';
  base: PayloadBase;
  offset: number;
  length: number;
  register: number;
}

export const payload: ExpressionCodec<Payload> = {
  name: 'payload',
  encode(writer, expression) {
    writer.be32(NFTA_PAYLOAD_DREG, registerNumber(expression.register));
    writer.be32(NFTA_PAYLOAD_BASE, PAYLOAD_BASES.number(expression.base));
    writer.be32(NFTA_PAYLOAD_OFFSET, expression.offset);
    writer.be32(NFTA_PAYLOAD_LEN, expression.length);
  },
  decode(reader) {
    let register: number | undefined;
    let base: PayloadBase | undefined;
    let offset = 0;
    let length = 0;
    while (reader.next()) {
      if (reader.type === NFTA_PAYLOAD_DREG) register = registerSlot(reader.be32());
      else if (reader.type === NFTA_PAYLOAD_BASE) base = PAYLOAD_BASES.name(reader.be32());
      else if (reader.type === NFTA_PAYLOAD_OFFSET) offset = reader.be32();
      else if (reader.type === NFTA_PAYLOAD_LEN) length = reader.be32();
      else return undefined;
    }
    if (register === undefined || base === undefined) return undefined;
    return { kind: 'payload', base, offset, length, register };
  },
};
