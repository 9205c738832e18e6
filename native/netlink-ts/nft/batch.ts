/** Changes of the ruleset as the messages of one batch: the kernel takes all of them or none. */
import { NLM_F_ACK } from '../wire/message.ts';
import type { Chain, SetElement, Table } from './model.ts';
import { newChain } from './messages/chain.ts';
import { deleteElements, newElements } from './messages/element.ts';
import { batchMarker, NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END, type NftMessage } from './messages/header.ts';
import { newRule } from './messages/rule.ts';
import { newSet } from './messages/set.ts';
import { deleteTable, newTable, type TableName } from './messages/table.ts';

/**
 * Every message asks for its own acknowledgement, so that a refusal names the message. The markers cannot: kernels before
 * 6.10 do not acknowledge them.
 */
export function batchOf(messages: readonly NftMessage[]): NftMessage[] {
  const acknowledged = messages.map((message) => ({ ...message, flags: message.flags | NLM_F_ACK }));
  return [batchMarker(NFNL_MSG_BATCH_BEGIN), ...acknowledged, batchMarker(NFNL_MSG_BATCH_END)];
}

/**
 * The table anew, whatever stood under its name. It is added before it is deleted because deleting what is absent would
 * fail the batch. Sets come before the rules that look them up, all chains before the rules that jump to them.
 */
export function replaceTableMessages(table: Table): NftMessage[] {
  return [
    newTable(table),
    deleteTable(table),
    newTable(table),
    ...table.sets.flatMap((set, i) => [newSet(table, set, i + 1), ...newElements(table, set.name, set.elements)]),
    ...table.chains.map((chain) => newChain(table, chain)),
    ...table.chains.flatMap((chain) => ruleMessages(table, chain)),
  ];
}

function ruleMessages(table: TableName, chain: Chain): NftMessage[] {
  return chain.rules.map((rule) => newRule(table, chain.name, rule));
}

export interface ElementChange {
  set: string;
  add: readonly SetElement[];
  delete: readonly SetElement[];
}

export function changeElementsMessages(table: TableName, changes: readonly ElementChange[]): NftMessage[] {
  return changes.flatMap((change) => [
    ...deleteElements(table, change.set, change.delete),
    ...newElements(table, change.set, change.add),
  ]);
}
