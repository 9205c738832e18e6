/**
 * A file of the journal is a magic word and then frames:
 *
 *     length u32 | checksum u32 | sequence u64 | previous u32 | back u32 | payload (JSON, `length` bytes)
 *
 * The checksum (CRC-32, from zlib) covers all but itself and the length, which the checksum proves in turn. `previous` is the
 * checksum of the frame before, so that a frame left over from a write that was taken back fits nowhere. `back` counts the
 * frames before this one that were handed to the disk by the same write: those before them had been synced by then.
 */
import { crc32 } from 'node:zlib';

export const MAGIC = Buffer.from('weftjnl1', 'latin1');
export const FRAME_HEAD = 24;

/** Larger than any entry or part of a snapshot: a longer length is no length. */
const LONGEST = 2 ** 26;
const COVERED = 8;

export interface Frame {
  sequence: number;
  previous: number;
  back: number;
  payload: Uint8Array;
}

export interface FoundFrame extends Frame {
  checksum: number;
  /** of the first byte after it */
  end: number;
}

/** Writes frames that follow each other into one buffer. */
export class FrameWriter {
  #previous: number;
  #bytes: Buffer[] = [];
  size = 0;

  /** `previous`: the checksum of the frame that stands before, 0 for the first of a file. */
  constructor(previous: number) {
    this.#previous = previous;
  }

  add(sequence: number, payload: string, back = 0): void {
    const length = Buffer.byteLength(payload);
    const frame = Buffer.allocUnsafe(FRAME_HEAD + length);
    frame.writeUInt32LE(length, 0);
    frame.writeBigUInt64LE(BigInt(sequence), 8);
    frame.writeUInt32LE(this.#previous, 16);
    frame.writeUInt32LE(back, 20);
    frame.write(payload, FRAME_HEAD, 'utf8');
    this.#previous = crc32(frame.subarray(COVERED));
    frame.writeUInt32LE(this.#previous, 4);
    this.#bytes.push(frame);
    this.size += frame.length;
  }

  /** What was added since the last take; the chain goes on. */
  take(): { bytes: Buffer; previous: number } {
    const bytes = this.#bytes.length === 1 ? this.#bytes[0] : undefined;
    const taken = { bytes: bytes ?? Buffer.concat(this.#bytes, this.size), previous: this.#previous };
    this.#bytes = [];
    this.size = 0;
    return taken;
  }
}

/** The frame that begins at `offset`, if its checksum holds. */
export function frameAt(file: Buffer, offset: number): FoundFrame | undefined {
  if (offset + FRAME_HEAD > file.length) return undefined;
  const length = file.readUInt32LE(offset);
  const end = offset + FRAME_HEAD + length;
  // no payload is empty, so that zeros are no frame
  if (length === 0 || length > LONGEST || end > file.length) return undefined;
  const high = file.readUInt32LE(offset + 12);
  if (high >= 2 ** 21) return undefined;
  const checksum = file.readUInt32LE(offset + 4);
  if (crc32(file.subarray(offset + COVERED, end)) !== checksum) return undefined;
  return {
    sequence: high * 2 ** 32 + file.readUInt32LE(offset + 8),
    previous: file.readUInt32LE(offset + 16),
    back: file.readUInt32LE(offset + 20),
    payload: file.subarray(offset + FRAME_HEAD, end),
    checksum,
    end,
  };
}

/** All frames that hold anywhere from `offset` on: what stands behind one that does not. */
export function* framesBehind(file: Buffer, offset: number): Generator<FoundFrame & { offset: number }> {
  for (let at = offset; at + FRAME_HEAD < file.length;) {
    const found = frameAt(file, at);
    if (found) yield { ...found, offset: at };
    at = found ? found.end : at + 1;
  }
}

/** JSON of a payload whose checksum held. */
export function parsePayload(payload: Uint8Array): unknown {
  return JSON.parse(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('utf8'));
}
