/**
 * A snapshot: the state before a log, and what of it is not known to be published. Whole or not at all: it gets its name
 * once it is on disk, and ends with a frame that says so.
 */
import { damaged, newer } from './failure.ts';
import type { FilePort } from './file-port.ts';
import { FrameWriter, MAGIC, frameAt, parsePayload } from './frame.ts';
import type { FoundFrame } from './frame.ts';
import { FORMAT } from './log-file.ts';
import { UNFINISHED, snapshotPath } from './names.ts';
import type { JournalEntry } from './port.ts';

export interface Snapshot {
  /** number of the log that goes on from here */
  log: number;
  /** of the last entry that is in it */
  sequence: number;
  published: number;
  records: readonly [string, unknown][];
  pending: readonly JournalEntry[];
}

type Part =
  | { format: number; log: number; sequence: number; published: number }
  | { records: [string, unknown][] }
  | { pending: JournalEntry[] }
  | { end: true };

/** records or entries a frame: little enough to be written between two calls that wait */
const PART = 64;
/** bytes handed to the disk at once */
const CHUNK = 2 ** 18;

/** On disk when it resolves; its size in bytes. */
export async function writeSnapshot(files: FilePort, directory: string, snapshot: Snapshot): Promise<number> {
  const path = snapshotPath(directory, snapshot.log);
  const file = await files.open(`${path}${UNFINISHED}`, 'create');
  try {
    let size = MAGIC.length;
    await file.write(MAGIC, 0);
    const frames = new FrameWriter(0);
    let index = 0;
    for (const part of partsOf(snapshot)) {
      frames.add(index++, JSON.stringify(part));
      if (frames.size < CHUNK && !('end' in part)) continue;
      const { bytes } = frames.take();
      await file.write(bytes, size);
      size += bytes.length;
    }
    await file.sync();
    await files.rename(`${path}${UNFINISHED}`, path);
    await files.syncDirectory(directory);
    return size;
  } catch (error) {
    // a disk that has no room for it has none for what it wrote of it either
    await files.unlink(`${path}${UNFINISHED}`);
    throw error;
  } finally {
    await file.close();
  }
}

function* partsOf({ log, sequence, published, records, pending }: Snapshot): Generator<Part> {
  yield { format: FORMAT, log, sequence, published };
  for (let at = 0; at < records.length; at += PART) yield { records: records.slice(at, at + PART) };
  for (let at = 0; at < pending.length; at += PART) yield { pending: pending.slice(at, at + PART) };
  yield { end: true };
}

/** @throws WeftError `journal-damaged`: a snapshot is on disk before it has its name, so whatever is wrong is no crash's doing */
export function readSnapshot(path: string, content: Uint8Array): Snapshot {
  const file = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  const records: [string, unknown][] = [];
  const pending: JournalEntry[] = [];
  let head: Pick<Snapshot, 'log' | 'sequence' | 'published'> | undefined;
  for (const part of readParts(path, file)) {
    if ('format' in part) {
      if (part.format !== FORMAT) throw newer(path, part.format);
      head = { log: part.log, sequence: part.sequence, published: part.published };
    } else if ('records' in part) records.push(...part.records);
    else if ('pending' in part) pending.push(...part.pending);
  }
  if (!head) throw damaged(path, 0, 'its header does not hold');
  return { ...head, records, pending };
}

function* readParts(path: string, file: Buffer): Generator<Part> {
  if (!file.subarray(0, MAGIC.length).equals(MAGIC)) throw damaged(path, 0, 'its header does not hold');
  let before: FoundFrame | undefined;
  for (let at = MAGIC.length, index = 0; ; index++) {
    const frame = frameAt(file, at);
    if (frame?.sequence !== index || frame.previous !== (before?.checksum ?? 0)) {
      throw damaged(path, at, `part ${index} does not hold`);
    }
    const part = parsePayload(frame.payload) as Part;
    yield part;
    if ('end' in part) {
      if (frame.end !== file.length) throw damaged(path, frame.end, 'there is more behind its end');
      return;
    }
    before = frame;
    at = frame.end;
  }
}
