export { NftSocket } from './nft-socket.ts';
export type {
  CallOptions as NftCallOptions,
  ChangeOptions as NftChangeOptions,
  PlacedRule,
  ReadOptions as NftReadOptions,
} from './nft-socket.ts';
export { StaleGenerationError } from './stale.ts';
export { sortElements } from './model.ts';
export type {
  BaseChain,
  Chain,
  ChainHook,
  NftFamily,
  Rule,
  Set as NftSet,
  SetElement,
  SetFlag,
  SetShape,
  Table,
} from './model.ts';
export type { Expression, OtherExpression } from './expression.ts';
export { concatenate, keyField, keyLength } from './key.ts';
export type { KeyField, KeyType } from './key.ts';
export type { KeySource } from './key-source.ts';
export type { Change as NftChange, ElementChange } from './batch.ts';
export type { SetName } from './messages/element.ts';
export type { RulePlace } from './messages/rule.ts';
export type { Verdict } from './expressions/verdict.ts';
export type { TableInfo, TableName } from './messages/table.ts';
export {
  DNAT_TARGETS,
  addressHex,
  commented,
  counter,
  dnatByMap,
  hostInteger,
  integer,
  loadKey,
  match,
  rule,
  verdict,
} from './build.ts';
