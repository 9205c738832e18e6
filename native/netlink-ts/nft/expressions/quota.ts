/**
 * `quota until BYTES`: ends the rule once so many bytes came this far (`over`: until then). What is used up counts by itself,
 * as the values of a counter do: it is written only when given, and read only when asked for (NftSocket.readTable).
 */
import type { ExpressionCodec } from '../expression.ts';

const NFTA_QUOTA_BYTES = 1;
const NFTA_QUOTA_FLAGS = 2;
const NFTA_QUOTA_PAD = 3;
const NFTA_QUOTA_CONSUMED = 4;

const NFT_QUOTA_F_INV = 1;
/** the kernel's note that it has told its listeners; read only */
const NFT_QUOTA_F_DEPLETED = 2;

export interface Quota {
  kind: 'quota';
  bytes: bigint;
  over?: true;
  used?: bigint;
}

export const quota: ExpressionCodec<Quota> = {
  name: 'quota',
  encode(writer, { bytes, over, used }) {
    writer.be64(NFTA_QUOTA_BYTES, bytes);
    writer.be32(NFTA_QUOTA_FLAGS, over ? NFT_QUOTA_F_INV : 0);
    if (used !== undefined) writer.be64(NFTA_QUOTA_CONSUMED, used);
  },
  decode(reader) {
    let bytes = 0n;
    let used = 0n;
    let flags = 0;
    while (reader.next()) {
      if (reader.type === NFTA_QUOTA_BYTES) bytes = reader.be64();
      else if (reader.type === NFTA_QUOTA_FLAGS) flags = reader.be32();
      else if (reader.type === NFTA_QUOTA_CONSUMED) used = reader.be64();
      else if (reader.type !== NFTA_QUOTA_PAD) return undefined;
    }
    if ((flags & ~(NFT_QUOTA_F_INV | NFT_QUOTA_F_DEPLETED)) !== 0) return undefined;
    return { kind: 'quota', bytes, ...(flags & NFT_QUOTA_F_INV ? { over: true } : {}), used };
  },
};
