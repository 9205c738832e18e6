/** Attributes without a place in the model: gathered when read, written back as they were. */
import { AttributeWriter, NLA_F_NESTED, type AttributeReader } from '../wire/attributes.ts';
import { hexOf } from './data.ts';

export class OtherAttributes {
  readonly #writer = new AttributeWriter();

  /** Keeps the reader's present attribute. */
  keep(reader: AttributeReader): void {
    this.#writer.bytes(reader.type | (reader.nested ? NLA_F_NESTED : 0), reader.bytes());
  }

  /** Hex; empty when there were none. */
  finish(): { other?: string } {
    const other = hexOf(this.#writer.finish());
    return other ? { other } : {};
  }
}

export function writeOther(writer: AttributeWriter, { other }: { other?: string }): void {
  if (other) writer.raw(Buffer.from(other, 'hex'));
}
