/** NFT_MSG_*RULE. Rules are answered in the order in which they stand in their chain. */
import { decodeExpressions, encodeExpressions } from '../expression.ts';
import type { NftFamily, Rule } from '../model.ts';
import { decodeComment, encodeComment } from '../userdata.ts';
import { CREATE_LAST, NFT_MSG, nftMessage, openMessage, type NftMessage } from './header.ts';
import type { TableName } from './table.ts';

const NFTA_RULE_TABLE = 1;
const NFTA_RULE_CHAIN = 2;
const NFTA_RULE_EXPRESSIONS = 4;
const NFTA_RULE_USERDATA = 7;

export function newRule(table: TableName, chain: string, rule: Rule): NftMessage {
  return nftMessage(NFT_MSG.newRule, CREATE_LAST, table.family, (writer) => {
    writer.string(NFTA_RULE_TABLE, table.name);
    writer.string(NFTA_RULE_CHAIN, chain);
    writer.nestedFlagged(NFTA_RULE_EXPRESSIONS, (list) => encodeExpressions(list, rule.expressions));
    if (rule.comment !== undefined) writer.bytes(NFTA_RULE_USERDATA, encodeComment(rule.comment));
  });
}

export function getRules(table: TableName): NftMessage {
  return nftMessage(NFT_MSG.getRule, 0, table.family, (writer) => writer.string(NFTA_RULE_TABLE, table.name));
}

export interface RuleInfo {
  family: NftFamily | undefined;
  table: string;
  chain: string;
  rule: Rule;
}

/** Counters have their values; `withoutCounters` takes them off. */
export function decodeRule(payload: Buffer): RuleInfo {
  const { family, attributes } = openMessage(payload);
  let table = '';
  let chain = '';
  const rule: Rule = { expressions: [] };
  while (attributes.next()) {
    if (attributes.type === NFTA_RULE_TABLE) table = attributes.string();
    else if (attributes.type === NFTA_RULE_CHAIN) chain = attributes.string();
    else if (attributes.type === NFTA_RULE_EXPRESSIONS) rule.expressions = decodeExpressions(attributes.children());
    else if (attributes.type === NFTA_RULE_USERDATA) {
      const comment = decodeComment(attributes.bytes());
      if (comment !== undefined) rule.comment = comment;
    }
  }
  attributes.check();
  return { family, table, chain, rule };
}

export function withoutCounters(rule: Rule): Rule {
  return {
    ...rule,
    expressions: rule.expressions.map((expression) =>
      expression.kind === 'counter' ? { kind: 'counter' } : expression,
    ),
  };
}
