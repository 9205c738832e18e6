export { NftSocket, type CallOptions as NftCallOptions, type ReadOptions as NftReadOptions } from './nft-socket.ts';
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
  Table,
} from './model.ts';
export type { Expression, OtherExpression } from './expression.ts';
export { concatenate, keyField, keyLength } from './key.ts';
export type { KeyField, KeySource, KeyType } from './key.ts';
export type { ElementChange } from './batch.ts';
export type { TableInfo, TableName } from './messages/table.ts';
export { addressHex, commented, counter, integer, match, rule, verdict } from './build.ts';
