/** NFT_MSG_*SET: sets and maps. The kernel wants an id, unique in the batch, for every new one. */
import type { AttributeReader, AttributeWriter } from '../../wire/attributes.ts';
import { decodeStateful, encodeStateful, withoutValues } from '../expression.ts';
import { decodeKey, keyLength, keyTypeNumber, type KeyField } from '../key.ts';
import type { NftFamily, Set, SetFlag } from '../model.ts';
import { bitMask, bitNames } from '../names.ts';
import { OtherAttributes, writeOther } from '../other.ts';
import { decodeSetUserdata, encodeSetUserdata } from '../set-userdata.ts';
import { CREATE, NFT_MSG, nftMessage, openMessage, type NftMessage } from './header.ts';
import { decodeDescription, encodeDescription, type SetDescription } from './set-description.ts';
import type { TableName } from './table.ts';

const NFTA_SET_TABLE = 1;
const NFTA_SET_NAME = 2;
const NFTA_SET_FLAGS = 3;
const NFTA_SET_KEY_TYPE = 4;
const NFTA_SET_KEY_LEN = 5;
const NFTA_SET_DATA_TYPE = 6;
const NFTA_SET_DATA_LEN = 7;
const NFTA_SET_DESC = 9;
const NFTA_SET_ID = 10;
const NFTA_SET_TIMEOUT = 11;
const NFTA_SET_GC_INTERVAL = 12;
const NFTA_SET_USERDATA = 13;
const NFTA_SET_PAD = 14;
const NFTA_SET_HANDLE = 16;
const NFTA_SET_EXPR = 17;
const NFTA_SET_EXPRESSIONS = 18;
/** answered since 6.17: how the kernel keeps the set, and how many elements it has */
const NFTA_SET_TYPE = 19;
const NFTA_SET_COUNT = 20;
const SILENT: ReadonlySet<number> = new globalThis.Set([
  NFTA_SET_ID,
  NFTA_SET_PAD,
  NFTA_SET_HANDLE,
  NFTA_SET_TYPE,
  NFTA_SET_COUNT,
]);

/** type of a map's data that is a verdict */
const NFT_DATA_VERDICT = 0xffffff00;

const FLAGS: { readonly [F in SetFlag]: number } = {
  anonymous: 0x1,
  constant: 0x2,
  interval: 0x4,
  map: 0x8,
  timeout: 0x10,
  dynamic: 0x20,
  object: 0x40,
  expression: 0x100,
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
    if (set.data) writeDataType(writer, set.data, set.dataRange ? 2 : 1);
    writer.be32(NFTA_SET_ID, id);
    encodeDescription(writer, NFTA_SET_DESC, {
      ...(set.size === undefined ? {} : { size: set.size }),
      ...(ranges ? { fieldLengths: set.key.map(({ length }) => length) } : {}),
    });
    if (set.timeout !== undefined) writer.be64(NFTA_SET_TIMEOUT, BigInt(set.timeout));
    if (set.gcInterval !== undefined) writer.be32(NFTA_SET_GC_INTERVAL, set.gcInterval);
    writer.bytes(NFTA_SET_USERDATA, encodeSetUserdata(set));
    if (set.expressions) encodeStateful(writer, set.expressions, { one: NFTA_SET_EXPR, list: NFTA_SET_EXPRESSIONS });
    writeOther(writer, set);
  });
}

function writeDataType(writer: AttributeWriter, data: 'verdict' | readonly KeyField[], values: number): void {
  writer.be32(NFTA_SET_DATA_TYPE, data === 'verdict' ? NFT_DATA_VERDICT : keyTypeNumber(data));
  writer.be32(NFTA_SET_DATA_LEN, data === 'verdict' ? 0 : keyLength(data) * values);
}

export function deleteSet(table: TableName, name: string): NftMessage {
  return nftMessage(NFT_MSG.deleteSet, 0, table.family, (writer) => {
    writer.string(NFTA_SET_TABLE, table.name);
    writer.string(NFTA_SET_NAME, name);
  });
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

interface WireSet {
  flags: number;
  keyType: number;
  keyLength: number;
  dataType?: number;
  dataLength: number;
  description: SetDescription;
  userdata: Buffer;
}

export function decodeSet(payload: Buffer): SetInfo {
  const { family, attributes } = openMessage(payload);
  let table = '';
  const wire: WireSet = {
    flags: 0,
    keyType: 0,
    keyLength: 0,
    dataLength: 0,
    description: {},
    userdata: Buffer.alloc(0),
  };
  const set: Omit<Set, 'key' | 'flags' | 'elements'> = { name: '' };
  const other = new OtherAttributes();
  while (attributes.next()) {
    if (attributes.type === NFTA_SET_TABLE) table = attributes.string();
    else if (!readType(wire, attributes) && !readRest(set, attributes) && !SILENT.has(attributes.type))
      other.keep(attributes);
  }
  attributes.check();
  return { family, table, set: { ...set, ...typesOf(wire), ...other.finish(), elements: [] } };
}

function readType(wire: WireSet, reader: AttributeReader): boolean {
  if (reader.type === NFTA_SET_FLAGS) wire.flags = reader.be32();
  else if (reader.type === NFTA_SET_KEY_TYPE) wire.keyType = reader.be32();
  else if (reader.type === NFTA_SET_KEY_LEN) wire.keyLength = reader.be32();
  else if (reader.type === NFTA_SET_DATA_TYPE) wire.dataType = reader.be32();
  else if (reader.type === NFTA_SET_DATA_LEN) wire.dataLength = reader.be32();
  else if (reader.type === NFTA_SET_DESC) wire.description = decodeDescription(reader.children());
  else if (reader.type === NFTA_SET_USERDATA) wire.userdata = reader.bytes();
  else return false;
  return true;
}

function readRest(set: Partial<Set>, reader: AttributeReader): boolean {
  if (reader.type === NFTA_SET_NAME) set.name = reader.string();
  else if (reader.type === NFTA_SET_TIMEOUT) set.timeout = Number(reader.be64());
  else if (reader.type === NFTA_SET_GC_INTERVAL) set.gcInterval = reader.be32();
  else if (reader.type === NFTA_SET_EXPR) set.expressions = decodeStateful(reader, 'one').map(withoutValues);
  else if (reader.type === NFTA_SET_EXPRESSIONS) set.expressions = decodeStateful(reader, 'list').map(withoutValues);
  else return false;
  return true;
}

function typesOf(wire: WireSet): Omit<Set, 'name' | 'elements'> {
  const { key, data, rest } = decodeSetUserdata(wire.userdata);
  const { size, fieldLengths } = wire.description;
  const known = wire.flags & bitMask(FLAGS, Object.keys(FLAGS) as SetFlag[]);
  const keyFields = decodeKey({
    typeNumber: wire.keyType,
    length: wire.keyLength,
    sources: key,
    ...(fieldLengths ? { fieldLengths } : {}),
  });
  return {
    key: keyFields,
    flags: bitNames(FLAGS, known) ?? [],
    ...(wire.dataType === undefined ? {} : { data: dataOf(wire.dataType, wire.dataLength, data, rest.dataRange) }),
    ...(size === undefined ? {} : { size }),
    ...rest,
  };
}

function dataOf(
  typeNumber: number,
  length: number,
  sources: ReturnType<typeof decodeSetUserdata>['data'],
  range: true | undefined,
): KeyField[] | 'verdict' {
  if (typeNumber === NFT_DATA_VERDICT) return 'verdict';
  return decodeKey({ typeNumber, length: range ? length / 2 : length, sources });
}
