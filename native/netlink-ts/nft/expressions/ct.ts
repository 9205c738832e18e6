/** `ct load KEY => register`: the connection a packet belongs to. Values are in host byte order, as the kernel keeps them. */
import type { ExpressionCodec } from '../expression.ts';
import { nameTable } from '../names.ts';
import { registerNumber, registerSlot } from '../register.ts';

const NFTA_CT_DREG = 1;
export const NFTA_CT_KEY = 2;
export const NFTA_CT_DIRECTION = 3;
export const NFTA_CT_SREG = 4;

export const CT_KEYS = nameTable({
  state: 0,
  direction: 1,
  status: 2,
  mark: 3,
  /** milliseconds until it is forgotten */
  expiration: 5,
  l3proto: 7,
  protocol: 10,
  'proto-src': 11,
  'proto-dst': 12,
  zone: 17,
  'ip saddr': 19,
  'ip daddr': 20,
  'ip6 saddr': 21,
  'ip6 daddr': 22,
  id: 23,
});
export const CT_DIRECTIONS = nameTable({ original: 0, reply: 1 });

export type CtKey = Exclude<ReturnType<typeof CT_KEYS.name>, undefined>;
export type CtDirection = Exclude<ReturnType<typeof CT_DIRECTIONS.name>, undefined>;

/** Bits of `ct state`. */
export const CT_STATE = { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 } as const;

/** Bits of `ct status`. */
export const CT_STATUS = {
  expected: 1,
  'seen-reply': 2,
  assured: 4,
  confirmed: 8,
  snat: 16,
  dnat: 32,
  dying: 512,
} as const;

export interface Ct {
  kind: 'ct';
  key: CtKey;
  direction?: CtDirection;
  register: number;
}

export const ct: ExpressionCodec<Ct> = {
  name: 'ct',
  encode(writer, expression) {
    writer.be32(NFTA_CT_KEY, CT_KEYS.number(expression.key));
    writer.be32(NFTA_CT_DREG, registerNumber(expression.register));
    if (expression.direction) writer.u8(NFTA_CT_DIRECTION, CT_DIRECTIONS.number(expression.direction));
  },
  decode(reader) {
    let key: CtKey | undefined;
    let register: number | undefined;
    let direction: CtDirection | undefined;
    while (reader.next()) {
      if (reader.type === NFTA_CT_KEY) key = CT_KEYS.name(reader.be32());
      else if (reader.type === NFTA_CT_DREG) register = registerSlot(reader.be32());
      else if (reader.type === NFTA_CT_DIRECTION) {
        direction = CT_DIRECTIONS.name(reader.u8());
        if (!direction) return undefined;
      } else return undefined;
    }
    if (key === undefined || register === undefined) return undefined;
    return { kind: 'ct', key, ...(direction ? { direction } : {}), register };
  },
};
