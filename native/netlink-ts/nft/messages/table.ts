/** NFT_MSG_*TABLE. Deleting a table deletes all that is in it. */
import type { NftFamily } from '../model.ts';
import { CREATE, NFT_MSG, nftMessage, openMessage, type NftMessage } from './header.ts';

const NFTA_TABLE_NAME = 1;
const NFTA_TABLE_FLAGS = 2;
const NFTA_TABLE_HANDLE = 4;

/** Names a table. */
export interface TableName {
  family: NftFamily;
  name: string;
}

export interface TableInfo extends TableName {
  /** unique in the namespace as long as it lives: another one under the same name has another */
  handle: bigint;
}

export function newTable(table: TableName): NftMessage {
  return nftMessage(NFT_MSG.newTable, CREATE, table.family, (writer) => {
    writer.string(NFTA_TABLE_NAME, table.name);
    writer.be32(NFTA_TABLE_FLAGS, 0);
  });
}

export function deleteTable(table: TableName): NftMessage {
  return nftMessage(NFT_MSG.deleteTable, 0, table.family, (writer) => writer.string(NFTA_TABLE_NAME, table.name));
}

export function getTables(): NftMessage {
  return nftMessage(NFT_MSG.getTable, 0, 'any');
}

export function decodeTable(payload: Buffer): TableInfo | undefined {
  const { family, attributes } = openMessage(payload);
  let name = '';
  let handle = 0n;
  while (attributes.next()) {
    if (attributes.type === NFTA_TABLE_NAME) name = attributes.string();
    else if (attributes.type === NFTA_TABLE_HANDLE) handle = attributes.be64();
  }
  attributes.check();
  return family && { family, name, handle };
}
