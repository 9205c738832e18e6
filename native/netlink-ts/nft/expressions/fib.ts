/** `fib FLAGS RESULT => register`: a lookup in the routing table, for reverse-path checks above all. */
import type { ExpressionCodec } from '../expression.ts';
import { bitMask, bitNames, nameTable } from '../names.ts';
import { registerNumber, registerSlot } from '../register.ts';

const NFTA_FIB_DREG = 1;
const NFTA_FIB_RESULT = 2;
const NFTA_FIB_FLAGS = 3;

const RESULTS = nameTable({ oif: 1, oifname: 2, type: 3 });
/** `present`: the register holds 1 or 0, whether there is a result at all */
const FLAGS = { saddr: 1, daddr: 2, mark: 4, iif: 8, oif: 16, present: 32 } as const;

export type FibResult = Exclude<ReturnType<typeof RESULTS.name>, undefined>;
export type FibFlag = keyof typeof FLAGS;

export interface Fib {
  kind: 'fib';
  result: FibResult;
  /** in the order saddr, daddr, mark, iif, oif, present */
  flags: FibFlag[];
  register: number;
}

export const fib: ExpressionCodec<Fib> = {
  name: 'fib',
  encode(writer, expression) {
    writer.be32(NFTA_FIB_FLAGS, bitMask(FLAGS, expression.flags));
    writer.be32(NFTA_FIB_RESULT, RESULTS.number(expression.result));
    writer.be32(NFTA_FIB_DREG, registerNumber(expression.register));
  },
  decode(reader) {
    let result: FibResult | undefined;
    let flags: FibFlag[] | undefined;
    let register: number | undefined;
    while (reader.next()) {
      if (reader.type === NFTA_FIB_RESULT) result = RESULTS.name(reader.be32());
      else if (reader.type === NFTA_FIB_FLAGS) flags = bitNames(FLAGS, reader.be32());
      else if (reader.type === NFTA_FIB_DREG) register = registerSlot(reader.be32());
      else return undefined;
    }
    if (result === undefined || flags === undefined || register === undefined) return undefined;
    return { kind: 'fib', result, flags, register };
  },
};
