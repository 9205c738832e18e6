/**
 * `add|update|delete @SET { KEY : DATA }`: packets change a set. What the element gets of its own (a limit, a counter, a
 * ceiling of connections) then decides on the packet too, as if it stood in the rule.
 */
import type { AttributeReader, AttributeWriter } from '../../wire/attributes.ts';
import type { Expression, ExpressionCodec } from '../expression.ts';
import { nameTable } from '../names.ts';
import { registerNumber, registerSlot } from '../register.ts';

const NFTA_DYNSET_SET_NAME = 1;
/** id of a set that is new in the same batch: never in a dump */
const NFTA_DYNSET_SET_ID = 2;
const NFTA_DYNSET_OP = 3;
const NFTA_DYNSET_SREG_KEY = 4;
const NFTA_DYNSET_SREG_DATA = 5;
const NFTA_DYNSET_TIMEOUT = 6;
const NFTA_DYNSET_EXPR = 7;
const NFTA_DYNSET_PAD = 8;
const NFTA_DYNSET_FLAGS = 9;
const NFTA_DYNSET_EXPRESSIONS = 10;

const NFT_DYNSET_F_INV = 1;
/** several expressions follow; the kernel does not answer it */
const NFT_DYNSET_F_EXPR = 2;
const OPERATIONS = nameTable({ add: 0, update: 1, delete: 2 });

export interface Dynset {
  kind: 'dynset';
  set: string;
  /** `add` leaves the time of an element that is there as it is, `update` begins it anew */
  operation: Exclude<ReturnType<typeof OPERATIONS.name>, undefined>;
  /** where the key begins */
  register: number;
  /** maps only: where the value begins */
  source?: number;
  /** milliseconds; the set's own when left out */
  timeout?: number;
  invert?: true;
  expressions?: Expression[];
}

/** How expressions inside this one are written and read. */
export interface StatefulCodec {
  encode: (writer: AttributeWriter, expressions: readonly Expression[], types: { one: number; list: number }) => void;
  decode: (reader: AttributeReader, form: 'one' | 'list') => Expression[];
}

export function dynsetCodec(stateful: StatefulCodec): ExpressionCodec<Dynset> {
  return {
    name: 'dynset',
    encode(writer, { set, operation, register, source, timeout, invert, expressions = [] }) {
      writer.be32(NFTA_DYNSET_SREG_KEY, registerNumber(register));
      if (source !== undefined) writer.be32(NFTA_DYNSET_SREG_DATA, registerNumber(source));
      writer.be32(NFTA_DYNSET_OP, OPERATIONS.number(operation));
      if (timeout !== undefined) writer.be64(NFTA_DYNSET_TIMEOUT, BigInt(timeout));
      const flags = (invert ? NFT_DYNSET_F_INV : 0) | (expressions.length > 1 ? NFT_DYNSET_F_EXPR : 0);
      if (flags) writer.be32(NFTA_DYNSET_FLAGS, flags);
      stateful.encode(writer, expressions, { one: NFTA_DYNSET_EXPR, list: NFTA_DYNSET_EXPRESSIONS });
      writer.string(NFTA_DYNSET_SET_NAME, set);
    },
    decode(reader) {
      const read: Pick<Dynset, 'source' | 'timeout' | 'expressions'> = {};
      let set = '';
      let operation: Dynset['operation'] | undefined;
      let register: number | undefined;
      let flags = 0;
      while (reader.next()) {
        if (reader.type === NFTA_DYNSET_SET_NAME) set = reader.string();
        else if (reader.type === NFTA_DYNSET_OP) operation = OPERATIONS.name(reader.be32());
        else if (reader.type === NFTA_DYNSET_SREG_KEY) register = registerSlot(reader.be32());
        else if (reader.type === NFTA_DYNSET_FLAGS) flags = reader.be32();
        else if (!readOptional(read, reader, stateful)) return undefined;
      }
      if (register === undefined || operation === undefined) return undefined;
      if ((flags & ~(NFT_DYNSET_F_INV | NFT_DYNSET_F_EXPR)) !== 0) return undefined;
      return {
        kind: 'dynset',
        set,
        operation,
        register,
        ...read,
        ...(flags & NFT_DYNSET_F_INV ? { invert: true } : {}),
      };
    },
  };
}

/** False for an attribute that has no place here. */
function readOptional(
  read: Pick<Dynset, 'source' | 'timeout' | 'expressions'>,
  reader: AttributeReader,
  stateful: StatefulCodec,
): boolean {
  if (reader.type === NFTA_DYNSET_SREG_DATA) {
    const source = registerSlot(reader.be32());
    if (source === undefined) return false;
    read.source = source;
  } else if (reader.type === NFTA_DYNSET_TIMEOUT) {
    // the kernel answers 0 for the set's own
    const timeout = Number(reader.be64());
    if (timeout > 0) read.timeout = timeout;
  } else if (reader.type === NFTA_DYNSET_EXPR) read.expressions = stateful.decode(reader, 'one');
  else if (reader.type === NFTA_DYNSET_EXPRESSIONS) read.expressions = stateful.decode(reader, 'list');
  else return reader.type === NFTA_DYNSET_SET_ID || reader.type === NFTA_DYNSET_PAD;
  return true;
}
