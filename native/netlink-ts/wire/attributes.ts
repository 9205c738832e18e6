/** Attributes as netlink(7) lays them out: length, type, payload, padded to four bytes, in host byte order. */
import { DecodeError } from '../errors.ts';

export const NLA_F_NESTED = 0x8000;
export const NLA_F_NET_BYTEORDER = 0x4000;
const TYPE_MASK = 0x3fff;
const HEADER = 4;
const LARGEST = 0xffff;

export interface Attribute {
  type: number;
  data: Buffer;
}

export function align4(length: number): number {
  return (length + 3) & ~3;
}

const FIRST_CAPACITY = 128;

/** Everything goes into one buffer, which grows; nested attributes are closed by writing their length when they end. */
export class AttributeWriter {
  // From Buffer's pool, and so not zeroed: every byte below #length has been written.
  #buffer = Buffer.allocUnsafe(FIRST_CAPACITY);
  #length = 0;

  u8(type: number, value: number): this {
    const at = this.#open(type, 1);
    this.#buffer.writeUInt8(value, at);
    return this;
  }

  u16(type: number, value: number): this {
    const at = this.#open(type, 2);
    this.#buffer.writeUInt16LE(value, at);
    return this;
  }

  u32(type: number, value: number): this {
    const at = this.#open(type, 4);
    this.#buffer.writeUInt32LE(value >>> 0, at);
    return this;
  }

  i32(type: number, value: number): this {
    const at = this.#open(type, 4);
    this.#buffer.writeInt32LE(value, at);
    return this;
  }

  u64(type: number, value: bigint): this {
    const at = this.#open(type, 8);
    this.#buffer.writeBigUInt64LE(value, at);
    return this;
  }

  be16(type: number, value: number): this {
    const at = this.#open(type, 2);
    this.#buffer.writeUInt16BE(value, at);
    return this;
  }

  be32(type: number, value: number): this {
    const at = this.#open(type, 4);
    this.#buffer.writeUInt32BE(value >>> 0, at);
    return this;
  }

  be64(type: number, value: bigint): this {
    const at = this.#open(type, 8);
    this.#buffer.writeBigUInt64BE(value, at);
    return this;
  }

  /** With the final zero that the kernel expects. */
  string(type: number, value: string): this {
    const length = Buffer.byteLength(value);
    const at = this.#open(type, length + 1);
    this.#buffer.write(value, at, 'utf8');
    this.#buffer[at + length] = 0;
    return this;
  }

  flag(type: number): this {
    this.#open(type, 0);
    return this;
  }

  bytes(type: number, data: Buffer): this {
    const at = this.#open(type, data.length);
    data.copy(this.#buffer, at);
    return this;
  }

  /** Without NLA_F_NESTED, as rtnetlink's older attributes are written. `inner` is this writer, for the time being. */
  nested(type: number, fill: (inner: AttributeWriter) => void): this {
    const start = this.#length;
    this.#open(type, 0);
    fill(this);
    const length = this.#length - start;
    checkLength(type, length);
    this.#buffer.writeUInt16LE(length, start);
    return this;
  }

  nestedFlagged(type: number, fill: (inner: AttributeWriter) => void): this {
    return this.nested(type | NLA_F_NESTED, fill);
  }

  /** Bytes that are laid out already: a header before attributes, or attributes read before. */
  raw(data: Buffer): this {
    const at = this.#reserve(data.length);
    data.copy(this.#buffer, at);
    return this;
  }

  /** What was written; the writer is done with. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** The header of an attribute; its `size` bytes of payload are to be written at the offset that this returns. */
  #open(type: number, size: number): number {
    const length = HEADER + size;
    checkLength(type, length);
    const at = this.#reserve(length);
    this.#buffer.writeUInt16LE(length, at);
    this.#buffer.writeUInt16LE(type, at + 2);
    return at + HEADER;
  }

  /** Room for so many bytes and their padding, which is zeroed. */
  #reserve(size: number): number {
    const at = this.#length;
    const end = at + align4(size);
    if (end > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(end, 2 * this.#buffer.length));
      this.#buffer.copy(larger, 0, 0, at);
      this.#buffer = larger;
    }
    for (let i = at + size; i < end; i++) this.#buffer[i] = 0;
    this.#length = end;
    return at;
  }
}

function checkLength(type: number, length: number): void {
  if (length <= LARGEST) return;
  throw new RangeError(`attribute ${type & TYPE_MASK} has ${length - HEADER} bytes, more than fit`);
}

/**
 * Reads attributes one after the other. The first fault is kept and everything after it reads as nothing, so a caller
 * checks once, at the end.
 */
export class AttributeReader {
  readonly #buffer: Buffer;
  #at = 0;
  #error: DecodeError | undefined;
  #type = 0;
  #data: Buffer = Buffer.alloc(0);

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  get type(): number {
    return this.#type & TYPE_MASK;
  }

  get nested(): boolean {
    return (this.#type & NLA_F_NESTED) !== 0;
  }

  get data(): Buffer {
    return this.#data;
  }

  get error(): DecodeError | undefined {
    return this.#error;
  }

  next(): boolean {
    const left = this.#buffer.length - this.#at;
    if (this.#error || left === 0) return false;
    if (left < HEADER) return this.#fail(`${left} bytes are left over`);
    const length = this.#buffer.readUInt16LE(this.#at);
    if (length < HEADER || length > left) return this.#fail(`an attribute claims ${length} of ${left} bytes`);
    this.#type = this.#buffer.readUInt16LE(this.#at + 2);
    this.#data = this.#buffer.subarray(this.#at + HEADER, this.#at + length);
    this.#at = Math.min(this.#buffer.length, this.#at + align4(length));
    return true;
  }

  u8(): number {
    return this.#fixed(1)?.readUInt8() ?? 0;
  }

  u16(): number {
    return this.#fixed(2)?.readUInt16LE() ?? 0;
  }

  u32(): number {
    return this.#fixed(4)?.readUInt32LE() ?? 0;
  }

  i32(): number {
    return this.#fixed(4)?.readInt32LE() ?? 0;
  }

  u64(): bigint {
    return this.#fixed(8)?.readBigUInt64LE() ?? 0n;
  }

  be16(): number {
    return this.#fixed(2)?.readUInt16BE() ?? 0;
  }

  be32(): number {
    return this.#fixed(4)?.readUInt32BE() ?? 0;
  }

  be64(): bigint {
    return this.#fixed(8)?.readBigUInt64BE() ?? 0n;
  }

  /** Up to the first zero. */
  string(): string {
    const end = this.#data.indexOf(0);
    return this.#data.toString('utf8', 0, end < 0 ? this.#data.length : end);
  }

  bytes(): Buffer {
    return this.#data;
  }

  children(): AttributeReader {
    return new AttributeReader(this.#data);
  }

  /** Throws the first fault. */
  check(): void {
    if (this.#error) throw this.#error;
  }

  #fixed(size: number): Buffer | undefined {
    if (this.#data.length >= size) return this.#data;
    this.#fail(`attribute ${this.type} has ${this.#data.length} bytes, not ${size}`);
    return undefined;
  }

  #fail(message: string): false {
    this.#error ??= new DecodeError(message);
    return false;
  }
}

/** Reads all attributes of a buffer through `visit`, and throws the first fault, its own or a child's, with its place. */
export function readAttributes(context: string, buffer: Buffer, visit: (reader: AttributeReader) => void): void {
  const reader = new AttributeReader(buffer);
  try {
    while (reader.next()) visit(reader);
    reader.check();
  } catch (error) {
    throw error instanceof DecodeError ? error.within(context) : error;
  }
}
