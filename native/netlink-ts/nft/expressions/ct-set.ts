/**
 * `ct set KEY register`: marks the connection, or puts the packet's connection into a zone. A zone (16 bits, host byte
 * order) must be set before connection tracking, that is at a priority below -200; with a direction only the tuple of that
 * direction is in it.
 */
import type { ExpressionCodec } from '../expression.ts';
import { registerNumber, registerSlot } from '../register.ts';
import {
  CT_DIRECTIONS,
  CT_KEYS,
  NFTA_CT_DIRECTION,
  NFTA_CT_KEY,
  NFTA_CT_SREG,
  type CtDirection,
  type CtKey,
} from './ct.ts';

export interface CtSet {
  kind: 'ct set';
  key: CtKey;
  direction?: CtDirection;
  /** where the value is */
  source: number;
}

export const ctSet: ExpressionCodec<CtSet> = {
  name: 'ct',
  encode(writer, expression) {
    writer.be32(NFTA_CT_KEY, CT_KEYS.number(expression.key));
    if (expression.direction) writer.u8(NFTA_CT_DIRECTION, CT_DIRECTIONS.number(expression.direction));
    writer.be32(NFTA_CT_SREG, registerNumber(expression.source));
  },
  decode(reader) {
    let key: CtKey | undefined;
    let source: number | undefined;
    let direction: CtDirection | undefined;
    while (reader.next()) {
      if (reader.type === NFTA_CT_KEY) key = CT_KEYS.name(reader.be32());
      else if (reader.type === NFTA_CT_SREG) source = registerSlot(reader.be32());
      else if (reader.type === NFTA_CT_DIRECTION) {
        direction = CT_DIRECTIONS.name(reader.u8());
        if (!direction) return undefined;
      } else return undefined;
    }
    if (key === undefined || source === undefined) return undefined;
    return { kind: 'ct set', key, ...(direction ? { direction } : {}), source };
  },
};
