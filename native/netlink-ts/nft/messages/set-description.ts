/** NFTA_SET_DESC: how many elements a set may have, and how long each field of a concatenation with ranges is. */
import type { AttributeReader, AttributeWriter } from '../../wire/attributes.ts';

const NFTA_SET_DESC_SIZE = 1;
const NFTA_SET_DESC_CONCAT = 2;
const NFTA_LIST_ELEM = 1;
const NFTA_SET_FIELD_LEN = 1;

export interface SetDescription {
  size?: number;
  /** bytes */
  fieldLengths?: number[];
}

/** Writes the attribute `type` unless there is nothing to say. */
export function encodeDescription(writer: AttributeWriter, type: number, { size, fieldLengths }: SetDescription): void {
  if (size === undefined && !fieldLengths) return;
  writer.nestedFlagged(type, (description) => {
    if (size !== undefined) description.be32(NFTA_SET_DESC_SIZE, size);
    if (!fieldLengths) return;
    description.nestedFlagged(NFTA_SET_DESC_CONCAT, (list) => {
      for (const length of fieldLengths) {
        list.nestedFlagged(NFTA_LIST_ELEM, (field) => field.be32(NFTA_SET_FIELD_LEN, length));
      }
    });
  });
}

export function decodeDescription(reader: AttributeReader): SetDescription {
  const description: SetDescription = {};
  while (reader.next()) {
    if (reader.type === NFTA_SET_DESC_SIZE) description.size = reader.be32();
    else if (reader.type === NFTA_SET_DESC_CONCAT) description.fieldLengths = readFieldLengths(reader.children());
  }
  reader.check();
  return description;
}

function readFieldLengths(list: AttributeReader): number[] {
  const lengths: number[] = [];
  while (list.next()) {
    const field = list.children();
    while (field.next()) {
      if (field.type === NFTA_SET_FIELD_LEN) lengths.push(field.be32());
    }
    field.check();
  }
  list.check();
  return lengths;
}
