/** NFTA_DATA_*: the value a register is loaded with or compared to, as hex text. */
import type { AttributeReader, AttributeWriter } from '../wire/attributes.ts';

const NFTA_DATA_VALUE = 1;

/** Writes the value inside an attribute of its own (`type`). */
export function writeData(writer: AttributeWriter, type: number, hex: string): void {
  writer.nestedFlagged(type, (data) => data.bytes(NFTA_DATA_VALUE, Buffer.from(hex, 'hex')));
}

/** Reads the value inside the reader's present attribute; '' when it holds none (a verdict). */
export function readData(reader: AttributeReader): string {
  const data = reader.children();
  let hex = '';
  while (data.next()) {
    if (data.type === NFTA_DATA_VALUE) hex = hexOf(data.bytes());
  }
  data.check();
  return hex;
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
