/** Changes of the ruleset as the messages of one batch: the kernel takes all of them or none. */
import { NLM_F_ACK } from '../wire/message.ts';
import type { Chain, Rule, Set, SetElement, Table } from './model.ts';
import { deleteChain, newChain } from './messages/chain.ts';
import { deleteElements, flushSet, newElements, type SetName } from './messages/element.ts';
import { batchMarker, NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END, type NftMessage } from './messages/header.ts';
import { deleteRule, newRule, type RulePlace } from './messages/rule.ts';
import { deleteSet, newSet } from './messages/set.ts';
import { deleteTable, newTable, type TableName } from './messages/table.ts';

/**
 * One step of a change. Rules are named by their handles (NftSocket.readRules). A chain is added with its rules and must be
 * free of jumps to what comes later in the batch; a set is added with its elements.
 */
export type Change =
  | { do: 'add chain'; chain: Chain }
  | { do: 'delete chain'; chain: string }
  | { do: 'flush chain'; chain: string }
  | { do: 'add rule'; chain: string; rule: Rule; place?: RulePlace }
  | { do: 'delete rule'; chain: string; handle: bigint }
  | { do: 'add set'; set: Set }
  | { do: 'delete set'; set: string }
  | { do: 'flush set'; set: string }
  | { do: 'add elements'; set: SetName; elements: readonly SetElement[] }
  | { do: 'delete elements'; set: SetName; elements: readonly SetElement[] };

/**
 * Every message asks for its own acknowledgement, so that a refusal names the message. The markers cannot: kernels before
 * 6.10 do not acknowledge them.
 */
export function batchOf(messages: readonly NftMessage[], generation?: number): NftMessage[] {
  const acknowledged = messages.map((message) => ({ ...message, flags: message.flags | NLM_F_ACK }));
  return [batchMarker(NFNL_MSG_BATCH_BEGIN, generation), ...acknowledged, batchMarker(NFNL_MSG_BATCH_END)];
}

/**
 * The table anew, whatever stood under its name. It is added before it is deleted because deleting what is absent would
 * fail the batch. Everything comes before what names it: sets before the rules that look them up, all chains before the
 * rules and the elements that jump to them.
 */
export function replaceTableMessages(table: Table): NftMessage[] {
  return [
    newTable(table),
    deleteTable(table),
    newTable(table),
    ...table.sets.map((set, i) => newSet(table, set, i + 1)),
    ...table.chains.map((chain) => newChain(table, chain)),
    ...table.sets.flatMap((set) => newElements(table, set, set.elements)),
    ...table.chains.flatMap((chain) => ruleMessages(table, chain)),
  ];
}

function ruleMessages(table: TableName, chain: Chain): NftMessage[] {
  return chain.rules.map((rule) => newRule(table, chain.name, rule));
}

export function changeMessages(table: TableName, changes: readonly Change[]): NftMessage[] {
  return changes.flatMap((change, i) => messagesOf(table, change, i + 1));
}

/** `id`: unique among the sets of the batch */
function messagesOf(table: TableName, change: Change, id: number): NftMessage[] {
  switch (change.do) {
    case 'add chain':
      return [newChain(table, change.chain), ...ruleMessages(table, change.chain)];
    case 'delete chain':
      return [deleteChain(table, change.chain)];
    case 'flush chain':
      return [deleteRule(table, change.chain)];
    case 'add rule':
      return [newRule(table, change.chain, change.rule, change.place)];
    case 'delete rule':
      return [deleteRule(table, change.chain, change.handle)];
    case 'add set':
      return [newSet(table, change.set, id), ...newElements(table, change.set, change.set.elements)];
    case 'delete set':
      return [deleteSet(table, change.set)];
    case 'flush set':
      return [flushSet(table, change.set)];
    case 'add elements':
      return newElements(table, change.set, change.elements);
    case 'delete elements':
      return deleteElements(table, change.set, change.elements);
  }
}

/** What becomes of the elements of one set. */
export interface ElementChange {
  set: SetName;
  add: readonly SetElement[];
  delete: readonly SetElement[];
}

export function changeElementsMessages(table: TableName, changes: readonly ElementChange[]): NftMessage[] {
  return changes.flatMap((change) => [
    ...deleteElements(table, change.set, change.delete),
    ...newElements(table, change.set, change.add),
  ]);
}
