/** `immediate` on the verdict register: what becomes of the packet. */
import type { ExpressionCodec } from '../expression.ts';
import type { AttributeReader, AttributeWriter } from '../../wire/attributes.ts';
import { nameTable } from '../names.ts';
import { NFT_REG_VERDICT } from '../register.ts';
import { NFTA_IMMEDIATE_DATA, NFTA_IMMEDIATE_DREG } from './immediate.ts';

const NFTA_DATA_VERDICT = 2;
const NFTA_VERDICT_CODE = 1;
const NFTA_VERDICT_CHAIN = 2;

/** Signed in the kernel; unsigned here, as they are on the wire. */
const CODES = nameTable({
  drop: 0,
  accept: 1,
  continue: -1 >>> 0,
  jump: -3 >>> 0,
  goto: -4 >>> 0,
  return: -5 >>> 0,
});

export type Verdict =
  { verdict: 'accept' | 'drop' | 'continue' | 'return' } | { verdict: 'jump' | 'goto'; chain: string };

export type VerdictExpression = { kind: 'verdict' } & Verdict;

export const verdict: ExpressionCodec<VerdictExpression> = {
  name: 'immediate',
  encode(writer, expression) {
    writer.be32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    writeVerdictData(writer, NFTA_IMMEDIATE_DATA, expression);
  },
  decode(reader) {
    let onVerdict = false;
    let read: Verdict | undefined;
    while (reader.next()) {
      if (reader.type === NFTA_IMMEDIATE_DREG) onVerdict = reader.be32() === NFT_REG_VERDICT;
      else if (reader.type === NFTA_IMMEDIATE_DATA) read = readVerdictData(reader.children());
      else return undefined;
    }
    return onVerdict && read ? { kind: 'verdict', ...read } : undefined;
  },
};

/** A verdict as data, inside an attribute of its own (`type`): of an immediate, or of an element of a verdict map. */
export function writeVerdictData(writer: AttributeWriter, type: number, verdict: Verdict): void {
  writer.nestedFlagged(type, (data) => data.nestedFlagged(NFTA_DATA_VERDICT, (inner) => writeVerdict(inner, verdict)));
}

function writeVerdict(writer: AttributeWriter, verdict: Verdict): void {
  writer.be32(NFTA_VERDICT_CODE, CODES.number(verdict.verdict));
  if ('chain' in verdict) writer.string(NFTA_VERDICT_CHAIN, verdict.chain);
}

/** Undefined when the data is none, or an unknown one. */
export function readVerdictData(data: AttributeReader): Verdict | undefined {
  let read: Verdict | undefined;
  while (data.next()) {
    if (data.type === NFTA_DATA_VERDICT) read = readVerdict(data.children());
  }
  data.check();
  return read;
}

function readVerdict(reader: AttributeReader): Verdict | undefined {
  let code: ReturnType<typeof CODES.name>;
  let chain = '';
  while (reader.next()) {
    if (reader.type === NFTA_VERDICT_CODE) code = CODES.name(reader.be32());
    else if (reader.type === NFTA_VERDICT_CHAIN) chain = reader.string();
  }
  reader.check();
  if (code === undefined) return undefined;
  return code === 'jump' || code === 'goto' ? { verdict: code, chain } : { verdict: code };
}
