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

export class AttributeWriter {
  readonly #parts: Buffer[] = [];

  u8(type: number, value: number): this {
    const data = Buffer.alloc(1);
    data.writeUInt8(value);
    return this.bytes(type, data);
  }

  u16(type: number, value: number): this {
    const data = Buffer.alloc(2);
    data.writeUInt16LE(value);
    return this.bytes(type, data);
  }

  u32(type: number, value: number): this {
    const data = Buffer.alloc(4);
    data.writeUInt32LE(value >>> 0);
    return this.bytes(type, data);
  }

  i32(type: number, value: number): this {
    const data = Buffer.alloc(4);
    data.writeInt32LE(value);
    return this.bytes(type, data);
  }

  u64(type: number, value: bigint): this {
    const data = Buffer.alloc(8);
    data.writeBigUInt64LE(value);
    return this.bytes(type, data);
  }

  be16(type: number, value: number): this {
    const data = Buffer.alloc(2);
    data.writeUInt16BE(value);
    return this.bytes(type, data);
  }

  be32(type: number, value: number): this {
    const data = Buffer.alloc(4);
    data.writeUInt32BE(value >>> 0);
    return this.bytes(type, data);
  }

  be64(type: number, value: bigint): this {
    const data = Buffer.alloc(8);
    data.writeBigUInt64BE(value);
    return this.bytes(type, data);
  }

  /** With the final zero that the kernel expects. */
  string(type: number, value: string): this {
    return this.bytes(type, Buffer.from(`${value}\0`, 'utf8'));
  }

  flag(type: number): this {
    return this.bytes(type, Buffer.alloc(0));
  }

  bytes(type: number, data: Buffer): this {
    const length = HEADER + data.length;
    if (length > LARGEST) throw new RangeError(`attribute ${type & TYPE_MASK} has ${data.length} bytes, more than fit`);
    const part = Buffer.alloc(align4(length));
    part.writeUInt16LE(length, 0);
    part.writeUInt16LE(type, 2);
    data.copy(part, HEADER);
    this.#parts.push(part);
    return this;
  }

  /** Without NLA_F_NESTED, as rtnetlink's older attributes are written. */
  nested(type: number, fill: (inner: AttributeWriter) => void): this {
    const inner = new AttributeWriter();
    fill(inner);
    return this.bytes(type, inner.finish());
  }

  nestedFlagged(type: number, fill: (inner: AttributeWriter) => void): this {
    return this.nested(type | NLA_F_NESTED, fill);
  }

  /** Bytes that are laid out already: a header before attributes, or attributes read before. */
  raw(data: Buffer): this {
    const part = Buffer.alloc(align4(data.length));
    data.copy(part);
    this.#parts.push(part);
    return this;
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts);
  }
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
