/** NFT_MSG_*SETELEM. One attribute holds at most 65,535 bytes, so a large set goes in several messages of one batch. */
import type { AttributeReader, AttributeWriter } from '../../wire/attributes.ts';
import { readData, writeData } from '../data.ts';
import type { SetElement } from '../model.ts';
import { CREATE, NFT_MSG, nftMessage, openMessage, type NftMessage } from './header.ts';
import type { TableName } from './table.ts';

const NFTA_SET_ELEM_LIST_TABLE = 1;
const NFTA_SET_ELEM_LIST_SET = 2;
const NFTA_SET_ELEM_LIST_ELEMENTS = 3;
const NFTA_LIST_ELEM = 1;
const NFTA_SET_ELEM_KEY = 1;
const NFTA_SET_ELEM_FLAGS = 3;
const NFTA_SET_ELEM_KEY_END = 10;
const NFT_SET_ELEM_INTERVAL_END = 1;

/** A key is at most 64 bytes; with a second one and all headers an element stays under 200. */
const ELEMENTS_PER_MESSAGE = 300;

export function newElements(table: TableName, set: string, elements: readonly SetElement[]): NftMessage[] {
  return elementMessages(NFT_MSG.newElements, CREATE, { table, set, elements });
}

export function deleteElements(table: TableName, set: string, elements: readonly SetElement[]): NftMessage[] {
  return elementMessages(NFT_MSG.deleteElements, 0, { table, set, elements });
}

function elementMessages(
  type: number,
  flags: number,
  { table, set, elements }: { table: TableName; set: string; elements: readonly SetElement[] },
): NftMessage[] {
  const messages: NftMessage[] = [];
  for (let at = 0; at < elements.length; at += ELEMENTS_PER_MESSAGE) {
    messages.push(
      nftMessage(type, flags, table.family, (writer) => {
        writer.string(NFTA_SET_ELEM_LIST_TABLE, table.name);
        writer.string(NFTA_SET_ELEM_LIST_SET, set);
        writer.nestedFlagged(NFTA_SET_ELEM_LIST_ELEMENTS, (list) => {
          for (const element of elements.slice(at, at + ELEMENTS_PER_MESSAGE)) writeElement(list, element);
        });
      }),
    );
  }
  return messages;
}

function writeElement(list: AttributeWriter, element: SetElement): void {
  list.nestedFlagged(NFTA_LIST_ELEM, (writer) => {
    if (element.intervalEnd) writer.be32(NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
    writeData(writer, NFTA_SET_ELEM_KEY, element.key);
    if (element.keyEnd !== undefined) writeData(writer, NFTA_SET_ELEM_KEY_END, element.keyEnd);
  });
}

export function getElements(table: TableName, set: string): NftMessage {
  return nftMessage(NFT_MSG.getElements, 0, table.family, (writer) => {
    writer.string(NFTA_SET_ELEM_LIST_TABLE, table.name);
    writer.string(NFTA_SET_ELEM_LIST_SET, set);
  });
}

/** The elements of one message; a dump has several. */
export function decodeElements(payload: Buffer): SetElement[] {
  const { attributes } = openMessage(payload);
  const elements: SetElement[] = [];
  while (attributes.next()) {
    if (attributes.type !== NFTA_SET_ELEM_LIST_ELEMENTS) continue;
    const list = attributes.children();
    while (list.next()) {
      if (list.type === NFTA_LIST_ELEM) elements.push(readElement(list.children()));
    }
    list.check();
  }
  attributes.check();
  return elements;
}

function readElement(reader: AttributeReader): SetElement {
  const element: SetElement = { key: '' };
  while (reader.next()) {
    if (reader.type === NFTA_SET_ELEM_KEY) element.key = readData(reader);
    else if (reader.type === NFTA_SET_ELEM_KEY_END) element.keyEnd = readData(reader);
    else if (reader.type === NFTA_SET_ELEM_FLAGS && reader.be32() & NFT_SET_ELEM_INTERVAL_END)
      element.intervalEnd = true;
  }
  reader.check();
  return element;
}
