/** `meta set KEY register`: changes what the kernel keeps beside a packet. The kernel takes mark, priority, pkttype, nftrace. */
import type { ExpressionCodec } from '../expression.ts';
import { registerNumber, registerSlot } from '../register.ts';
import { META_KEYS, NFTA_META_KEY, NFTA_META_SREG, type MetaKey } from './meta.ts';

export interface MetaSet {
  kind: 'meta set';
  key: MetaKey;
  /** where the value is: a mark in host byte order */
  source: number;
}

export const metaSet: ExpressionCodec<MetaSet> = {
  name: 'meta',
  encode(writer, expression) {
    writer.be32(NFTA_META_KEY, META_KEYS.number(expression.key));
    writer.be32(NFTA_META_SREG, registerNumber(expression.source));
  },
  decode(reader) {
    let key: MetaKey | undefined;
    let source: number | undefined;
    while (reader.next()) {
      if (reader.type === NFTA_META_KEY) key = META_KEYS.name(reader.be32());
      else if (reader.type === NFTA_META_SREG) source = registerSlot(reader.be32());
      else return undefined;
    }
    return key === undefined || source === undefined ? undefined : { kind: 'meta set', key, source };
  },
};
