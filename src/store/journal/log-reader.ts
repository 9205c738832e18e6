/**
 * Reading a log, and the one judgement that matters: where it stops to make sense, did a crash tear what was never synced
 * (it is cut, and said), or is something missing that was on disk (an error; nothing is ever silently shorter)?
 *
 * Proof that an entry was on disk is the mark, a log that was begun after this one, or a frame behind it that was written
 * after it had been synced.
 */
import { damaged, newer } from './failure.ts';
import { MAGIC, frameAt, framesBehind, parsePayload } from './frame.ts';
import type { FoundFrame } from './frame.ts';
import { FORMAT } from './log-file.ts';
import type { LogEnd, LogHeader } from './log-file.ts';
import type { JournalEntry, JournalOperation } from './port.ts';

export interface ReadLog {
  header: LogHeader;
  entries: JournalEntry[];
  /** sequence of the last entry, or of the one before this log */
  last: number;
  end: LogEnd;
  /** the first byte that is not proved to be on disk */
  proved: number;
  /** bytes behind the end that mean nothing */
  torn: number;
  /** entries that stand there twice, alike */
  repeated: number;
}

interface Source {
  path: string;
  content: Uint8Array;
  /** what is known to be on disk, from the mark, or Infinity when a later log was begun */
  durable: number;
}

/** @throws WeftError `journal-damaged` */
export function readLog({ path, content, durable }: Source): ReadLog {
  const file = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  const { header, frame } = readHeader(path, file);
  const reader = new Reader(path, file, { header, frame });
  while (reader.step(durable));
  const log = reader.log;
  if (log.torn > 0) judge({ path, durable }, file, log);
  if (log.last < durable && durable !== Infinity) {
    throw damaged(path, log.end.size, `it ends with entry ${log.last}, but entry ${durable} was on disk`);
  }
  return log;
}

function readHeader(path: string, file: Buffer): { header: LogHeader; frame: FoundFrame } {
  const frame = file.subarray(0, MAGIC.length).equals(MAGIC) ? frameAt(file, MAGIC.length) : undefined;
  if (!frame) throw damaged(path, 0, 'its header does not hold');
  const header = parsePayload(frame.payload) as LogHeader;
  if (header.format !== FORMAT) throw newer(path, header.format);
  return { header, frame };
}

class Reader {
  readonly log: ReadLog;
  readonly #path: string;
  readonly #file: Buffer;
  /** of the entries of this log, to tell a repetition from a contradiction */
  readonly #checksums: number[] = [];
  #at: number;
  /** sequence of the first entry of the last write */
  #write = 0;

  constructor(path: string, file: Buffer, { header, frame }: { header: LogHeader; frame: FoundFrame }) {
    this.#path = path;
    this.#file = file;
    this.#at = frame.end;
    const end = { size: frame.end, previous: frame.checksum };
    this.log = { header, entries: [], last: header.first - 1, end, proved: frame.end, torn: 0, repeated: 0 };
  }

  /** Takes the next frame; false at the end, or where sense ends. */
  step(durable: number): boolean {
    const { log } = this;
    const frame = frameAt(this.#file, this.#at);
    if (frame?.sequence === log.last + 1 && frame.previous === log.end.previous) {
      this.#take(frame);
      if (frame.sequence <= durable) log.proved = frame.end;
      return true;
    }
    if (frame && this.#repeats(frame)) {
      log.repeated++;
      this.#at = frame.end;
      log.end.size = frame.end;
      return true;
    }
    log.torn = this.#file.length - this.#at;
    return false;
  }

  #take(frame: FoundFrame): void {
    const { log } = this;
    const operations = parsePayload(frame.payload);
    if (!Array.isArray(operations)) throw damaged(this.#path, this.#at, `entry ${frame.sequence} is no entry`);
    log.entries.push({ sequence: frame.sequence, operations: operations as JournalOperation[] });
    log.last = frame.sequence;
    log.end = { size: frame.end, previous: frame.checksum };
    this.#checksums.push(frame.checksum);
    this.#write = frame.sequence - frame.back;
    this.#at = frame.end;
  }

  /** What differs was left there by a write that was taken back, if it began where the last one did; else by nobody. */
  #repeats(frame: FoundFrame): boolean {
    const { first } = this.log.header;
    if (frame.sequence < first || frame.sequence > this.log.last) return false;
    if (this.#checksums[frame.sequence - first] === frame.checksum) return true;
    if (frame.sequence - frame.back >= this.#write) return false;
    throw damaged(this.#path, this.#at, `entry ${frame.sequence} is there twice, and not alike`);
  }
}

function judge({ path, durable }: { path: string; durable: number }, file: Buffer, log: ReadLog): void {
  const missing = log.last + 1;
  const at = log.end.size;
  if (missing <= durable) {
    throw damaged(path, at, `entry ${missing} was on disk and does not hold`);
  }
  for (const frame of framesBehind(file, at)) {
    if (frame.sequence - frame.back > missing) {
      throw damaged(
        path,
        at,
        `entry ${missing} does not hold, and entry ${frame.sequence} was written after it was on disk`,
      );
    }
  }
}
