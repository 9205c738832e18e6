/** NFT_MSG_*SET. The kernel wants an id, unique in the batch, for every new set. */
import type { AttributeWriter } from '../../wire/attributes.ts';
import { decodeKey, encodeKeyUserdata, keyLength, keyTypeNumber, type KeyField } from '../key.ts';
import type { NftFamily, Set, SetFlag } from '../model.ts';
import { bitMask, bitNames } from '../names.ts';
import { CREATE, NFT_MSG, nftMessage, openMessage, type NftMessage } from './header.ts';
import type { TableName } from './table.ts';

const NFTA_SET_TABLE = 1;
const NFTA_SET_NAME = 2;
const NFTA_SET_FLAGS = 3;
const NFTA_SET_KEY_TYPE = 4;
const NFTA_SET_KEY_LEN = 5;
const NFTA_SET_DESC = 9;
const NFTA_SET_ID = 10;
const NFTA_SET_USERDATA = 13;
const NFTA_SET_DESC_CONCAT = 2;
const NFTA_LIST_ELEM = 1;
const NFTA_SET_FIELD_LEN = 1;

const FLAGS: { readonly [F in SetFlag]: number } = {
  anonymous: 0x1,
  constant: 0x2,
  interval: 0x4,
  map: 0x8,
  timeout: 0x10,
  dynamic: 0x20,
};
/** implied by an interval set of several fields, whose lengths the kernel then wants to know */
const NFT_SET_CONCAT = 0x80;

export function newSet(table: TableName, set: Set, id: number): NftMessage {
  const ranges = set.flags.includes('interval') && set.key.length > 1;
  return nftMessage(NFT_MSG.newSet, CREATE, table.family, (writer) => {
    writer.string(NFTA_SET_TABLE, table.name);
    writer.string(NFTA_SET_NAME, set.name);
    writer.be32(NFTA_SET_FLAGS, bitMask(FLAGS, set.flags) | (ranges ? NFT_SET_CONCAT : 0));
    writer.be32(NFTA_SET_KEY_TYPE, keyTypeNumber(set.key));
    writer.be32(NFTA_SET_KEY_LEN, keyLength(set.key));
    writer.be32(NFTA_SET_ID, id);
    if (ranges) writeFieldLengths(writer, set.key);
    writer.bytes(NFTA_SET_USERDATA, encodeKeyUserdata(set.key));
  });
}

function writeFieldLengths(writer: AttributeWriter, fields: readonly KeyField[]): void {
  writer.nestedFlagged(NFTA_SET_DESC, (description) =>
    description.nestedFlagged(NFTA_SET_DESC_CONCAT, (list) => {
      for (const { length } of fields) {
        list.nestedFlagged(NFTA_LIST_ELEM, (field) => field.be32(NFTA_SET_FIELD_LEN, length));
      }
    }),
  );
}

export function getSets(table: TableName): NftMessage {
  return nftMessage(NFT_MSG.getSet, 0, table.family, (writer) => writer.string(NFTA_SET_TABLE, table.name));
}

export interface SetInfo {
  family: NftFamily | undefined;
  table: string;
  /** without its elements */
  set: Set;
}

export function decodeSet(payload: Buffer): SetInfo {
  const { family, attributes } = openMessage(payload);
  let table = '';
  let name = '';
  let flags = 0;
  let keyType = 0;
  let length = 0;
  let userdata: Buffer = Buffer.alloc(0);
  while (attributes.next()) {
    if (attributes.type === NFTA_SET_TABLE) table = attributes.string();
    else if (attributes.type === NFTA_SET_NAME) name = attributes.string();
    else if (attributes.type === NFTA_SET_FLAGS) flags = attributes.be32();
    else if (attributes.type === NFTA_SET_KEY_TYPE) keyType = attributes.be32();
    else if (attributes.type === NFTA_SET_KEY_LEN) length = attributes.be32();
    else if (attributes.type === NFTA_SET_USERDATA) userdata = attributes.bytes();
  }
  attributes.check();
  const known = flags & bitMask(FLAGS, Object.keys(FLAGS) as SetFlag[]);
  const set: Set = {
    name,
    key: decodeKey(keyType, length, userdata),
    flags: bitNames(FLAGS, known) ?? [],
    elements: [],
  };
  return { family, table, set };
}
