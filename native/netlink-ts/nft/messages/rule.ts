/** NFT_MSG_*RULE. Rules are answered in the order in which they stand in their chain. */
import { decodeExpressions, encodeExpressions, withoutValues } from '../expression.ts';
import type { NftFamily, Rule } from '../model.ts';
import { decodeComment, encodeComment } from '../userdata.ts';
import { CREATE, CREATE_LAST, NFT_MSG, REPLACE, nftMessage, openMessage, type NftMessage } from './header.ts';
import type { TableName } from './table.ts';

const NFTA_RULE_TABLE = 1;
const NFTA_RULE_CHAIN = 2;
const NFTA_RULE_HANDLE = 3;
const NFTA_RULE_EXPRESSIONS = 4;
const NFTA_RULE_POSITION = 6;
const NFTA_RULE_USERDATA = 7;

/** Where a rule goes: behind or before another of the same chain, or in its place, named by its handle. */
export type RulePlace = { after?: bigint } | { before: bigint } | { first: true } | { inPlaceOf: bigint };

/** At the end of the chain unless a place is given. */
export function newRule(table: TableName, chain: string, rule: Rule, place: RulePlace = {}): NftMessage {
  return nftMessage(NFT_MSG.newRule, placeFlags(place), table.family, (writer) => {
    writer.string(NFTA_RULE_TABLE, table.name);
    writer.string(NFTA_RULE_CHAIN, chain);
    if ('inPlaceOf' in place) writer.be64(NFTA_RULE_HANDLE, place.inPlaceOf);
    else if ('before' in place) writer.be64(NFTA_RULE_POSITION, place.before);
    else if ('after' in place && place.after !== undefined) writer.be64(NFTA_RULE_POSITION, place.after);
    writer.nestedFlagged(NFTA_RULE_EXPRESSIONS, (list) => encodeExpressions(list, rule.expressions));
    if (rule.comment !== undefined) writer.bytes(NFTA_RULE_USERDATA, encodeComment(rule.comment));
  });
}

function placeFlags(place: RulePlace): number {
  if ('inPlaceOf' in place) return REPLACE;
  return 'before' in place || 'first' in place ? CREATE : CREATE_LAST;
}

/** Without a handle: all rules of the chain. */
export function deleteRule(table: TableName, chain: string, handle?: bigint): NftMessage {
  return nftMessage(NFT_MSG.deleteRule, 0, table.family, (writer) => {
    writer.string(NFTA_RULE_TABLE, table.name);
    writer.string(NFTA_RULE_CHAIN, chain);
    if (handle !== undefined) writer.be64(NFTA_RULE_HANDLE, handle);
  });
}

export function getRules(table: TableName): NftMessage {
  return nftMessage(NFT_MSG.getRule, 0, table.family, (writer) => writer.string(NFTA_RULE_TABLE, table.name));
}

export interface RuleInfo {
  family: NftFamily | undefined;
  table: string;
  chain: string;
  /** names the rule in its table as long as it lives */
  handle: bigint;
  rule: Rule;
}

/** Counters have their values; `withoutCounters` takes them off. */
export function decodeRule(payload: Buffer): RuleInfo {
  const { family, attributes } = openMessage(payload);
  let table = '';
  let chain = '';
  let handle = 0n;
  const rule: Rule = { expressions: [] };
  while (attributes.next()) {
    if (attributes.type === NFTA_RULE_TABLE) table = attributes.string();
    else if (attributes.type === NFTA_RULE_CHAIN) chain = attributes.string();
    else if (attributes.type === NFTA_RULE_HANDLE) handle = attributes.be64();
    else if (attributes.type === NFTA_RULE_EXPRESSIONS) rule.expressions = decodeExpressions(attributes.children());
    else if (attributes.type === NFTA_RULE_USERDATA) {
      const comment = decodeComment(attributes.bytes());
      if (comment !== undefined) rule.comment = comment;
    }
  }
  attributes.check();
  return { family, table, chain, handle, rule };
}

export function withoutCounters(rule: Rule): Rule {
  return { ...rule, expressions: rule.expressions.map(withoutValues) };
}
