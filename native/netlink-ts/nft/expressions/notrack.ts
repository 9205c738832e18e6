/** `notrack`: connection tracking leaves the packet alone. Only below priority -200. The one kind without any attribute. */
import type { ExpressionCodec } from '../expression.ts';

export interface Notrack {
  kind: 'notrack';
}

export const notrack: ExpressionCodec<Notrack> = {
  name: 'notrack',
  encode() {
    // nothing to say
  },
  decode: (reader) => (reader.next() ? undefined : { kind: 'notrack' }),
};
