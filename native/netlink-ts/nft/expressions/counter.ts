/**
 * `counter`: packets and bytes that came this far in the rule. A counter counts by itself, so its values are no part of
 * what a ruleset is: they are written only when given and read only when asked for (NftSocket.readTable).
 */
import type { ExpressionCodec } from '../expression.ts';

const NFTA_COUNTER_BYTES = 1;
const NFTA_COUNTER_PACKETS = 2;
const NFTA_COUNTER_PAD = 3;

export interface Counter {
  kind: 'counter';
  packets?: bigint;
  bytes?: bigint;
}

export const counter: ExpressionCodec<Counter> = {
  name: 'counter',
  encode(writer, expression) {
    if (expression.bytes !== undefined) writer.be64(NFTA_COUNTER_BYTES, expression.bytes);
    if (expression.packets !== undefined) writer.be64(NFTA_COUNTER_PACKETS, expression.packets);
  },
  decode(reader) {
    let packets = 0n;
    let bytes = 0n;
    while (reader.next()) {
      if (reader.type === NFTA_COUNTER_BYTES) bytes = reader.be64();
      else if (reader.type === NFTA_COUNTER_PACKETS) packets = reader.be64();
      else if (reader.type !== NFTA_COUNTER_PAD) return undefined;
    }
    return { kind: 'counter', packets, bytes };
  },
};
