/** `limit rate RATE/PER burst BURST`: ends the rule above the rate (`over`: below it). */
import type { ExpressionCodec } from '../expression.ts';
import { nameTable } from '../names.ts';

const NFTA_LIMIT_RATE = 1;
const NFTA_LIMIT_UNIT = 2;
const NFTA_LIMIT_BURST = 3;
const NFTA_LIMIT_TYPE = 4;
const NFTA_LIMIT_FLAGS = 5;
const NFTA_LIMIT_PAD = 6;

const NFT_LIMIT_F_INV = 1;
const TYPES = nameTable({ packets: 0, bytes: 1 });

export type LimitType = Exclude<ReturnType<typeof TYPES.name>, undefined>;

export interface Limit {
  kind: 'limit';
  type: LimitType;
  rate: bigint;
  /** seconds: 1, 60, 3600 ... */
  per: number;
  /** for packets the kernel wants at least 1 */
  burst: number;
  over?: true;
}

export const limit: ExpressionCodec<Limit> = {
  name: 'limit',
  encode(writer, expression) {
    writer.be64(NFTA_LIMIT_RATE, expression.rate);
    writer.be64(NFTA_LIMIT_UNIT, BigInt(expression.per));
    writer.be32(NFTA_LIMIT_BURST, expression.burst);
    writer.be32(NFTA_LIMIT_TYPE, TYPES.number(expression.type));
    writer.be32(NFTA_LIMIT_FLAGS, expression.over ? NFT_LIMIT_F_INV : 0);
  },
  decode(reader) {
    const read: Omit<Limit, 'type'> = { kind: 'limit', rate: 0n, per: 0, burst: 0 };
    let type: LimitType | undefined;
    while (reader.next()) {
      if (reader.type === NFTA_LIMIT_RATE) read.rate = reader.be64();
      else if (reader.type === NFTA_LIMIT_UNIT) read.per = Number(reader.be64());
      else if (reader.type === NFTA_LIMIT_BURST) read.burst = reader.be32();
      else if (reader.type === NFTA_LIMIT_TYPE) type = TYPES.name(reader.be32());
      else if (reader.type === NFTA_LIMIT_FLAGS) {
        if (reader.be32() & NFT_LIMIT_F_INV) read.over = true;
      } else if (reader.type !== NFTA_LIMIT_PAD) return undefined;
    }
    return type === undefined ? undefined : { ...read, type };
  },
};
