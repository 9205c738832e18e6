/**
 * `ct count COUNT`: ends the rule when there are more connections (`over`: when there are no more). In a rule all that come
 * this far are counted together; as the expression of a `dynset`, those of each element.
 */
import type { ExpressionCodec } from '../expression.ts';

const NFTA_CONNLIMIT_COUNT = 1;
const NFTA_CONNLIMIT_FLAGS = 2;

const NFT_CONNLIMIT_F_INV = 1;

export interface ConnectionLimit {
  kind: 'connection limit';
  count: number;
  over?: true;
}

export const connectionLimit: ExpressionCodec<ConnectionLimit> = {
  name: 'connlimit',
  encode(writer, { count, over }) {
    writer.be32(NFTA_CONNLIMIT_COUNT, count);
    writer.be32(NFTA_CONNLIMIT_FLAGS, over ? NFT_CONNLIMIT_F_INV : 0);
  },
  decode(reader) {
    let count = 0;
    let flags = 0;
    while (reader.next()) {
      if (reader.type === NFTA_CONNLIMIT_COUNT) count = reader.be32();
      else if (reader.type === NFTA_CONNLIMIT_FLAGS) flags = reader.be32();
      else return undefined;
    }
    if ((flags & ~NFT_CONNLIMIT_F_INV) !== 0) return undefined;
    return { kind: 'connection limit', count, ...(flags ? { over: true } : {}) };
  },
};
