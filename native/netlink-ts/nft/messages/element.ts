/** NFT_MSG_*SETELEM. One attribute holds at most 65,535 bytes, so a large set goes in several messages of one batch. */
import { DecodeError } from '../../errors.ts';
import { AttributeWriter, type AttributeReader } from '../../wire/attributes.ts';
import { readData, writeData } from '../data.ts';
import { decodeStateful, encodeStateful } from '../expression.ts';
import { readVerdictData, writeVerdictData } from '../expressions/verdict.ts';
import { wireElements, type WireElement } from '../interval.ts';
import type { SetElement, SetShape } from '../model.ts';
import { OtherAttributes, writeOther } from '../other.ts';
import { decodeElementUserdata, encodeElementUserdata } from '../element-userdata.ts';
import { CREATE, NFT_MSG, nftMessage, openMessage, type NftMessage } from './header.ts';
import type { TableName } from './table.ts';

const NFTA_SET_ELEM_LIST_TABLE = 1;
const NFTA_SET_ELEM_LIST_SET = 2;
const NFTA_SET_ELEM_LIST_ELEMENTS = 3;
const NFTA_LIST_ELEM = 1;
const NFTA_SET_ELEM_KEY = 1;
const NFTA_SET_ELEM_DATA = 2;
const NFTA_SET_ELEM_FLAGS = 3;
const NFTA_SET_ELEM_TIMEOUT = 4;
const NFTA_SET_ELEM_EXPIRATION = 5;
const NFTA_SET_ELEM_USERDATA = 6;
const NFTA_SET_ELEM_EXPR = 7;
const NFTA_SET_ELEM_PAD = 8;
const NFTA_SET_ELEM_KEY_END = 10;
const NFTA_SET_ELEM_EXPRESSIONS = 11;
const NFT_SET_ELEM_INTERVAL_END = 1;
const NFT_SET_ELEM_CATCHALL = 2;

/** Leaves room for the names of table and set. */
const BYTES_PER_MESSAGE = 60_000;

/** Names a set; one with the flag `interval` by its shape, since its elements are not on the wire as in the model. */
export type SetName = string | SetShape;

export function newElements(table: TableName, set: SetName, elements: readonly SetElement[]): NftMessage[] {
  return elementMessages(NFT_MSG.newElements, CREATE, { table, set, elements });
}

export function deleteElements(table: TableName, set: SetName, elements: readonly SetElement[]): NftMessage[] {
  return elementMessages(NFT_MSG.deleteElements, 0, { table, set, elements });
}

/** All elements. */
export function flushSet(table: TableName, set: string): NftMessage {
  return nftMessage(NFT_MSG.deleteElements, 0, table.family, (writer) => writeNames(writer, table, set));
}

function elementMessages(
  type: number,
  flags: number,
  { table, set, elements }: { table: TableName; set: SetName; elements: readonly SetElement[] },
): NftMessage[] {
  const wire = typeof set === 'object' ? wireElements(set, elements) : elements;
  return inPieces(wire.map(encodeElement)).map((piece) =>
    nftMessage(type, flags, table.family, (writer) => {
      writeNames(writer, table, typeof set === 'string' ? set : set.name);
      writer.nestedFlagged(NFTA_SET_ELEM_LIST_ELEMENTS, (list) => list.raw(piece));
    }),
  );
}

function writeNames(writer: AttributeWriter, table: TableName, set: string): void {
  writer.string(NFTA_SET_ELEM_LIST_TABLE, table.name);
  writer.string(NFTA_SET_ELEM_LIST_SET, set);
}

function inPieces(parts: readonly Buffer[]): Buffer[] {
  const pieces: Buffer[] = [];
  let piece: Buffer[] = [];
  let length = 0;
  for (const part of parts) {
    if (length + part.length > BYTES_PER_MESSAGE) {
      pieces.push(Buffer.concat(piece));
      piece = [];
      length = 0;
    }
    piece.push(part);
    length += part.length;
  }
  return piece.length ? [...pieces, Buffer.concat(piece)] : pieces;
}

function encodeElement(element: WireElement): Buffer {
  return new AttributeWriter().nestedFlagged(NFTA_LIST_ELEM, (writer) => writeElement(writer, element)).finish();
}

function writeElement(writer: AttributeWriter, element: WireElement): void {
  if (element.intervalEnd) writer.be32(NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
  if (element.catchAll) writer.be32(NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_CATCHALL);
  else writeData(writer, NFTA_SET_ELEM_KEY, element.key);
  if (element.keyEnd !== undefined) writeData(writer, NFTA_SET_ELEM_KEY_END, element.keyEnd);
  if (element.timeout !== undefined) writer.be64(NFTA_SET_ELEM_TIMEOUT, BigInt(element.timeout));
  if (element.expires !== undefined) writer.be64(NFTA_SET_ELEM_EXPIRATION, BigInt(element.expires));
  if (typeof element.value === 'string') writeData(writer, NFTA_SET_ELEM_DATA, element.value);
  else if (element.value) writeVerdictData(writer, NFTA_SET_ELEM_DATA, element.value);
  const userdata = encodeElementUserdata(element);
  if (userdata.length) writer.bytes(NFTA_SET_ELEM_USERDATA, userdata);
  encodeStateful(writer, element.expressions ?? [], { one: NFTA_SET_ELEM_EXPR, list: NFTA_SET_ELEM_EXPRESSIONS });
  writeOther(writer, element);
}

export function getElements(table: TableName, set: string): NftMessage {
  return nftMessage(NFT_MSG.getElements, 0, table.family, (writer) => writeNames(writer, table, set));
}

/** The elements of one message as the kernel keeps them; a dump has several. See `modelElements`. */
export function decodeElements(payload: Buffer): WireElement[] {
  const { attributes } = openMessage(payload);
  const elements: WireElement[] = [];
  while (attributes.next()) {
    if (attributes.type !== NFTA_SET_ELEM_LIST_ELEMENTS) continue;
    const list = attributes.children();
    // nft numbers the elements where the kernel calls each NFTA_LIST_ELEM
    while (list.next()) elements.push(readElement(list.children()));
    list.check();
  }
  attributes.check();
  return elements;
}

function readElement(reader: AttributeReader): WireElement {
  const element: WireElement = { key: '' };
  const other = new OtherAttributes();
  while (reader.next()) {
    if (reader.type === NFTA_SET_ELEM_KEY) element.key = readData(reader);
    else if (reader.type === NFTA_SET_ELEM_KEY_END) element.keyEnd = readData(reader);
    else if (reader.type === NFTA_SET_ELEM_FLAGS) readFlags(element, reader.be32());
    else if (!readRest(element, reader) && reader.type !== NFTA_SET_ELEM_PAD) other.keep(reader);
  }
  reader.check();
  if (!element.key && !element.catchAll) throw new DecodeError('element without a key');
  return { ...element, ...other.finish() };
}

function readFlags(element: WireElement, flags: number): void {
  if (flags & NFT_SET_ELEM_INTERVAL_END) element.intervalEnd = true;
  if (flags & NFT_SET_ELEM_CATCHALL) element.catchAll = true;
}

/** False for an attribute without a place in the model. */
function readRest(element: WireElement, reader: AttributeReader): boolean {
  if (reader.type === NFTA_SET_ELEM_DATA) {
    const value = readVerdictData(reader.children()) ?? readData(reader);
    if (value === '') return false;
    element.value = value;
  } else if (reader.type === NFTA_SET_ELEM_TIMEOUT) element.timeout = Number(reader.be64());
  else if (reader.type === NFTA_SET_ELEM_EXPIRATION) element.expires = Number(reader.be64());
  else if (reader.type === NFTA_SET_ELEM_USERDATA) Object.assign(element, decodeElementUserdata(reader.bytes()));
  else if (reader.type === NFTA_SET_ELEM_EXPR) element.expressions = decodeStateful(reader, 'one');
  else if (reader.type === NFTA_SET_ELEM_EXPRESSIONS) element.expressions = decodeStateful(reader, 'list');
  else return false;
  return true;
}
