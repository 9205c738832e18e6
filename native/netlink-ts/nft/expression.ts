/**
 * One expression of a rule: a discriminated union by `kind`, a file for each kind. An expression of an unknown kind, or
 * with an attribute its kind does not know here, is kept whole as `other` and written back as it was.
 */
import { AttributeReader, type AttributeWriter } from '../wire/attributes.ts';
import { bitwise, type Bitwise } from './expressions/bitwise.ts';
import { byteorder, type Byteorder } from './expressions/byteorder.ts';
import { cmp, type Cmp } from './expressions/cmp.ts';
import { connectionLimit, type ConnectionLimit } from './expressions/connection-limit.ts';
import { counter, type Counter } from './expressions/counter.ts';
import { ct, type Ct } from './expressions/ct.ts';
import { ctSet, type CtSet } from './expressions/ct-set.ts';
import { dynsetCodec, type Dynset } from './expressions/dynset.ts';
import { fib, type Fib } from './expressions/fib.ts';
import { immediate, type Immediate } from './expressions/immediate.ts';
import { limit, type Limit } from './expressions/limit.ts';
import { log, type Log } from './expressions/log.ts';
import { lookup, type Lookup } from './expressions/lookup.ts';
import { masquerade, type Masquerade } from './expressions/masquerade.ts';
import { meta, type Meta } from './expressions/meta.ts';
import { metaSet, type MetaSet } from './expressions/meta-set.ts';
import { nat, type Nat } from './expressions/nat.ts';
import { notrack, type Notrack } from './expressions/notrack.ts';
import { payload, type Payload } from './expressions/payload.ts';
import { payloadSet, type PayloadSet } from './expressions/payload-set.ts';
import { quota, type Quota } from './expressions/quota.ts';
import { range, type Range } from './expressions/range.ts';
import { redirect, type Redirect } from './expressions/redirect.ts';
import { reject, type Reject } from './expressions/reject.ts';
import { verdict, type VerdictExpression } from './expressions/verdict.ts';
import { hexOf } from './data.ts';

export interface OtherExpression {
  kind: 'other';
  /** the kernel's name of it */
  name: string;
  /** its attributes, hex */
  data: string;
}

export type Expression =
  | Bitwise
  | Byteorder
  | Cmp
  | ConnectionLimit
  | Counter
  | Ct
  | CtSet
  | Dynset
  | Fib
  | Immediate
  | Limit
  | Log
  | Lookup
  | Masquerade
  | Meta
  | MetaSet
  | Nat
  | Notrack
  | OtherExpression
  | Payload
  | PayloadSet
  | Quota
  | Range
  | Redirect
  | Reject
  | VerdictExpression;

/** How a kind is written and read. `decode` gives undefined for what the kind cannot express. */
export interface ExpressionCodec<E> {
  /** the kernel's name: the module that implements it */
  name: string;
  encode: (writer: AttributeWriter, expression: E) => void;
  decode: (reader: AttributeReader) => E | undefined;
}

const NFTA_LIST_ELEM = 1;
const NFTA_EXPR_NAME = 1;
const NFTA_EXPR_DATA = 2;

const dynset = dynsetCodec({ encode: encodeStateful, decode: decodeStateful });

const DECODERS: ReadonlyMap<string, ((reader: AttributeReader) => Expression | undefined)[]> = new Map([
  [bitwise.name, [bitwise.decode]],
  [byteorder.name, [byteorder.decode]],
  [cmp.name, [cmp.decode]],
  [connectionLimit.name, [connectionLimit.decode]],
  [counter.name, [counter.decode]],
  [ct.name, [ct.decode, ctSet.decode]],
  [dynset.name, [dynset.decode]],
  [fib.name, [fib.decode]],
  [immediate.name, [verdict.decode, immediate.decode]],
  [limit.name, [limit.decode]],
  [log.name, [log.decode]],
  [lookup.name, [lookup.decode]],
  [masquerade.name, [masquerade.decode]],
  [meta.name, [meta.decode, metaSet.decode]],
  [nat.name, [nat.decode]],
  [notrack.name, [notrack.decode]],
  [payload.name, [payload.decode, payloadSet.decode]],
  [quota.name, [quota.decode]],
  [range.name, [range.decode]],
  [redirect.name, [redirect.decode]],
  [reject.name, [reject.decode]],
]);

/** Writes a list of expressions (the content of NFTA_RULE_EXPRESSIONS). */
export function encodeExpressions(writer: AttributeWriter, expressions: readonly Expression[]): void {
  for (const expression of expressions) {
    writer.nestedFlagged(NFTA_LIST_ELEM, (element) => encodeExpression(element, expression));
  }
}

function encodeExpression(writer: AttributeWriter, expression: Expression): void {
  const { name, fill } = encodingOf(expression);
  writer.string(NFTA_EXPR_NAME, name);
  if (fill) writer.nestedFlagged(NFTA_EXPR_DATA, fill);
}

interface Encoding {
  name: string;
  /** none for an expression without attributes */
  fill?: (data: AttributeWriter) => void;
}

function encoding<E>(codec: ExpressionCodec<E>, expression: E): Encoding {
  return { name: codec.name, fill: (data) => codec.encode(data, expression) };
}

function encodingOf(expression: Expression): Encoding {
  switch (expression.kind) {
    case 'bitwise':
      return encoding(bitwise, expression);
    case 'byteorder':
      return encoding(byteorder, expression);
    case 'cmp':
      return encoding(cmp, expression);
    case 'connection limit':
      return encoding(connectionLimit, expression);
    case 'counter':
      return encoding(counter, expression);
    case 'ct':
      return encoding(ct, expression);
    case 'dynset':
      return encoding(dynset, expression);
    case 'fib':
      return encoding(fib, expression);
    case 'immediate':
      return encoding(immediate, expression);
    case 'limit':
      return encoding(limit, expression);
    case 'log':
      return encoding(log, expression);
    case 'lookup':
      return encoding(lookup, expression);
    case 'meta':
      return encoding(meta, expression);
    case 'notrack':
      return { name: notrack.name };
    case 'other':
      return otherEncoding(expression);
    case 'payload':
      return encoding(payload, expression);
    case 'ct set':
      return encoding(ctSet, expression);
    case 'masquerade':
      return encoding(masquerade, expression);
    case 'meta set':
      return encoding(metaSet, expression);
    case 'nat':
      return encoding(nat, expression);
    case 'payload set':
      return encoding(payloadSet, expression);
    case 'quota':
      return encoding(quota, expression);
    case 'range':
      return encoding(range, expression);
    case 'redirect':
      return encoding(redirect, expression);
    case 'reject':
      return encoding(reject, expression);
    case 'verdict':
      return encoding(verdict, expression);
  }
}

function otherEncoding({ name, data }: OtherExpression): Encoding {
  return data ? { name, fill: (writer) => writer.raw(Buffer.from(data, 'hex')) } : { name };
}

/**
 * Writes what an element of a set has of its own. A single expression stands in an attribute of its own, as the first
 * version of nftables knew it; several are a list.
 */
export function encodeStateful(
  writer: AttributeWriter,
  expressions: readonly Expression[],
  types: { one: number; list: number },
): void {
  const [only, second] = expressions;
  if (only && !second) writer.nestedFlagged(types.one, (inner) => encodeExpression(inner, only));
  else if (only) writer.nestedFlagged(types.list, (list) => encodeExpressions(list, expressions));
}

/** Reads what `encodeStateful` wrote in one of its two attributes, which the reader is at. */
export function decodeStateful(reader: AttributeReader, form: 'one' | 'list'): Expression[] {
  return form === 'one' ? [decodeExpression(reader.children())] : decodeExpressions(reader.children());
}

/** Without the values that change by themselves: of counters and quotas, also of those in a `dynset`. */
export function withoutValues(expression: Expression): Expression {
  if (expression.kind === 'counter') return { kind: 'counter' };
  if (expression.kind === 'quota') {
    const atRest = { ...expression };
    delete atRest.used;
    return atRest;
  }
  if (expression.kind === 'dynset' && expression.expressions)
    return { ...expression, expressions: expression.expressions.map(withoutValues) };
  return expression;
}

/** Reads the content of NFTA_RULE_EXPRESSIONS. Throws DecodeError for what is not a list of expressions at all. */
export function decodeExpressions(list: AttributeReader): Expression[] {
  const expressions: Expression[] = [];
  while (list.next()) {
    if (list.type === NFTA_LIST_ELEM) expressions.push(decodeExpression(list.children()));
  }
  list.check();
  return expressions;
}

function decodeExpression(reader: AttributeReader): Expression {
  let name = '';
  let data: Buffer = Buffer.alloc(0);
  while (reader.next()) {
    if (reader.type === NFTA_EXPR_NAME) name = reader.string();
    else if (reader.type === NFTA_EXPR_DATA) data = reader.bytes();
  }
  reader.check();
  for (const decode of DECODERS.get(name) ?? []) {
    const attributes = new AttributeReader(data);
    const expression = decode(attributes);
    attributes.check();
    if (expression) return expression;
  }
  return { kind: 'other', name, data: hexOf(data) };
}
