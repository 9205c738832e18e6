/** `byteorder register = hton|ntoh(register, LENGTH, SIZE)`: turns the bytes of each number of SIZE bytes around. */
import type { ExpressionCodec } from '../expression.ts';
import { nameTable } from '../names.ts';
import { registerNumber, registerSlot } from '../register.ts';

const NFTA_BYTEORDER_SREG = 1;
const NFTA_BYTEORDER_DREG = 2;
const NFTA_BYTEORDER_OP = 3;
const NFTA_BYTEORDER_LEN = 4;
const NFTA_BYTEORDER_SIZE = 5;

const OPERATIONS = nameTable({ ntoh: 0, hton: 1 });

export interface Byteorder {
  kind: 'byteorder';
  operation: Exclude<ReturnType<typeof OPERATIONS.name>, undefined>;
  source: number;
  register: number;
  /** bytes in all */
  length: number;
  /** bytes of one number: 2, 4 or 8 */
  size: number;
}

export const byteorder: ExpressionCodec<Byteorder> = {
  name: 'byteorder',
  encode(writer, { operation, source, register, length, size }) {
    writer.be32(NFTA_BYTEORDER_SREG, registerNumber(source));
    writer.be32(NFTA_BYTEORDER_DREG, registerNumber(register));
    writer.be32(NFTA_BYTEORDER_OP, OPERATIONS.number(operation));
    writer.be32(NFTA_BYTEORDER_LEN, length);
    writer.be32(NFTA_BYTEORDER_SIZE, size);
  },
  decode(reader) {
    let operation: Byteorder['operation'] | undefined;
    let source: number | undefined;
    let register: number | undefined;
    let length = 0;
    let size = 0;
    while (reader.next()) {
      if (reader.type === NFTA_BYTEORDER_SREG) source = registerSlot(reader.be32());
      else if (reader.type === NFTA_BYTEORDER_DREG) register = registerSlot(reader.be32());
      else if (reader.type === NFTA_BYTEORDER_OP) operation = OPERATIONS.name(reader.be32());
      else if (reader.type === NFTA_BYTEORDER_LEN) length = reader.be32();
      else if (reader.type === NFTA_BYTEORDER_SIZE) size = reader.be32();
      else return undefined;
    }
    if (source === undefined || register === undefined || operation === undefined) return undefined;
    return { kind: 'byteorder', operation, source, register, length, size };
  },
};
