/** `meta load KEY => register`: what the kernel knows of a packet beside its bytes. */
import type { ExpressionCodec } from '../expression.ts';
import { nameTable } from '../names.ts';
import { registerNumber, registerSlot } from '../register.ts';

const NFTA_META_DREG = 1;
export const NFTA_META_KEY = 2;
export const NFTA_META_SREG = 3;

export const META_KEYS = nameTable({
  len: 0,
  protocol: 1,
  /** class of traffic control, `MAJOR:MINOR` in host byte order */
  priority: 2,
  mark: 3,
  iif: 4,
  oif: 5,
  /** 16 bytes, zero padded */
  iifname: 6,
  oifname: 7,
  iiftype: 8,
  oiftype: 9,
  skuid: 10,
  skgid: 11,
  nftrace: 12,
  nfproto: 15,
  l4proto: 16,
  pkttype: 19,
  iifgroup: 21,
  oifgroup: 22,
  iifkind: 26,
  oifkind: 27,
});

export type MetaKey = Exclude<ReturnType<typeof META_KEYS.name>, undefined>;

export interface Meta {
  kind: 'meta';
  key: MetaKey;
  register: number;
}

export const meta: ExpressionCodec<Meta> = {
  name: 'meta',
  encode(writer, expression) {
    writer.be32(NFTA_META_KEY, META_KEYS.number(expression.key));
    writer.be32(NFTA_META_DREG, registerNumber(expression.register));
  },
  decode(reader) {
    let key: MetaKey | undefined;
    let register: number | undefined;
    while (reader.next()) {
      if (reader.type === NFTA_META_KEY) key = META_KEYS.name(reader.be32());
      else if (reader.type === NFTA_META_DREG) register = registerSlot(reader.be32());
      else return undefined;
    }
    return key === undefined || register === undefined ? undefined : { kind: 'meta', key, register };
  },
};
