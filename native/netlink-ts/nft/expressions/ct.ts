/** `ct load KEY => register`: the connection a packet belongs to. Values are in host byte order, as the kernel keeps them. */
import type { ExpressionCodec } from '../expression.ts';
import { nameTable } from '../names.ts';
import { registerNumber, registerSlot } from '../register.ts';

const NFTA_CT_DREG = 1;
const NFTA_CT_KEY = 2;
const NFTA_CT_DIRECTION = 3;

const KEYS = nameTable({ state: 0, direction: 1, status: 2, mark: 3, zone: 18 });
const DIRECTIONS = nameTable({ original: 0, reply: 1 });

export type CtKey = Exclude<ReturnType<typeof KEYS.name>, undefined>;
export type CtDirection = Exclude<ReturnType<typeof DIRECTIONS.name>, undefined>;

/** Bits of `ct state`. */
export const CT_STATE = { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 } as const;

export interface Ct {
  kind: 'ct';
  key: CtKey;
  direction?: CtDirection;
  register: number;
}

export const ct: ExpressionCodec<Ct> = {
  name: 'ct',
  encode(writer, expression) {
    writer.be32(NFTA_CT_KEY, KEYS.number(expression.key));
    writer.be32(NFTA_CT_DREG, registerNumber(expression.register));
    if (expression.direction) writer.u8(NFTA_CT_DIRECTION, DIRECTIONS.number(expression.direction));
  },
  decode(reader) {
    let key: CtKey | undefined;
    let register: number | undefined;
    let direction: CtDirection | undefined;
    while (reader.next()) {
      if (reader.type === NFTA_CT_KEY) key = KEYS.name(reader.be32());
      else if (reader.type === NFTA_CT_DREG) register = registerSlot(reader.be32());
      else if (reader.type === NFTA_CT_DIRECTION) direction = DIRECTIONS.name(reader.u8());
      else return undefined;
    }
    if (key === undefined || register === undefined) return undefined;
    return { kind: 'ct', key, ...(direction ? { direction } : {}), register };
  },
};
