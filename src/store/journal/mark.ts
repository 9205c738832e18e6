/**
 * The mark says how far the journal is known to be on disk, apart from the log itself. It is written after each sync and never
 * synced, so it may lag behind, but what it says is true: a log that ends before it was not cut by a crash.
 *
 * Two slots in different sectors take turns, so that one of them holds whichever write a power cut meets.
 *
 *     magic u32 | checksum u32 | sequence u64 | published u64 | log u64
 */
import { crc32 } from 'node:zlib';
import type { OpenFile } from './file-port.ts';

const MAGIC = 0x314b524d;
const SLOT = 32;
const APART = 512;

export interface Mark {
  /** durable */
  sequence: number;
  /** acknowledged to be in etcd */
  published: number;
  /** number of the log that is written to */
  log: number;
}

export class MarkFile {
  readonly #file: OpenFile;
  #turn: number;

  /** `turn`: the slot to write next. */
  constructor(file: OpenFile, turn: number) {
    this.#file = file;
    this.#turn = turn;
  }

  /** Both slots, synced: the content of a new mark. */
  async begin(mark: Mark): Promise<void> {
    const both = Buffer.alloc(2 * APART);
    encode(mark).copy(both, 0);
    encode(mark).copy(both, APART);
    await this.#file.write(both, 0);
    await this.#file.sync();
  }

  async write(mark: Mark): Promise<void> {
    const slot = this.#turn;
    this.#turn = 1 - slot;
    await this.#file.write(encode(mark), slot * APART);
  }

  sync(): Promise<void> {
    return this.#file.sync();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

export interface FoundMark {
  /** undefined when neither slot holds */
  mark: Mark | undefined;
  /** the slot to write next */
  turn: number;
  /** one slot does not hold, which no crash explains */
  suspect: boolean;
}

export function readMark(content: Uint8Array): FoundMark {
  const file = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  const [first, second] = [decode(file, 0), decode(file, APART)];
  const later = second && (!first || isLater(second, first)) ? second : first;
  return { mark: later, turn: later === second ? 0 : 1, suspect: !first || !second };
}

function isLater(one: Mark, other: Mark): boolean {
  return one.log !== other.log
    ? one.log > other.log
    : one.sequence !== other.sequence
      ? one.sequence > other.sequence
      : one.published > other.published;
}

function encode(mark: Mark): Buffer {
  const slot = Buffer.alloc(SLOT);
  slot.writeUInt32LE(MAGIC, 0);
  slot.writeBigUInt64LE(BigInt(mark.sequence), 8);
  slot.writeBigUInt64LE(BigInt(mark.published), 16);
  slot.writeBigUInt64LE(BigInt(mark.log), 24);
  slot.writeUInt32LE(crc32(slot.subarray(8)), 4);
  return slot;
}

function decode(file: Buffer, offset: number): Mark | undefined {
  if (offset + SLOT > file.length || file.readUInt32LE(offset) !== MAGIC) return undefined;
  if (crc32(file.subarray(offset + 8, offset + SLOT)) !== file.readUInt32LE(offset + 4)) return undefined;
  const number = (at: number) => Number(file.readBigUInt64LE(offset + at));
  return { sequence: number(8), published: number(16), log: number(24) };
}
