/**
 * The picture in a file: frames like the journal's (journal/frame.ts), written beside the one before and renamed over it once it is
 * on disk. Unlike the journal it is a copy: damage costs nothing but the start from it.
 */
import { dirname } from 'node:path';
import { WeftError, describeCause } from '../../model/errors.ts';
import type { FilePort, OpenFile } from '../journal/file-port.ts';
import { FrameWriter, frameAt, parsePayload } from '../journal/frame.ts';
import type { FoundFrame } from '../journal/frame.ts';
import type { Entry } from '../port.ts';
import type { Found, Picture, PictureKeeper } from './port.ts';

const MAGIC = Buffer.from('weftpic1', 'latin1');
/** raised when an older weft would misread it */
const FORMAT = 1;
/** entries a frame, and bytes handed to the disk at once: little enough to be written between two calls that wait */
const PART = 64;
const CHUNK = 2 ** 18;
/** left on the file system for the journal and its reserve */
const SPARE = 4 * 2 ** 20;

type Head = Omit<Picture, 'entries'> & { format: number };
type Part = Head | { entries: Entry[] } | { end: number };

export function pictureFile(path: string, files: FilePort): PictureKeeper {
  return {
    load: async () => {
      try {
        const content = await files.read(path);
        if (!content) return { ok: false, reason: 'this host has kept none yet' };
        return readPicture(Buffer.from(content.buffer, content.byteOffset, content.byteLength));
      } catch (error) {
        return { ok: false, reason: `${path} cannot be read: ${describeCause(error)}` };
      }
    },
    save: (picture) => writePicture(files, path, picture),
    discard: () => files.unlink(path),
  };
}

async function writePicture(files: FilePort, path: string, picture: Picture): Promise<void> {
  const directory = dirname(path);
  await files.makeDirectory(directory);
  const room = (await files.room(directory)) - SPARE;
  const unfinished = `${path}.new`;
  const file = await files.open(unfinished, 'create');
  try {
    await writeParts(file, picture, room);
    await file.sync();
    await files.rename(unfinished, path);
    await files.syncDirectory(directory);
  } catch (error) {
    await files.unlink(unfinished);
    throw error;
  } finally {
    await file.close();
  }
}

async function writeParts(file: OpenFile, picture: Picture, room: number): Promise<void> {
  await file.write(MAGIC, 0);
  const frames = new FrameWriter(0);
  let size = MAGIC.length;
  let index = 0;
  for (const part of partsOf(picture)) {
    frames.add(index++, JSON.stringify(part));
    if (frames.size < CHUNK && !('end' in part)) continue;
    const { bytes } = frames.take();
    if (size + bytes.length > room) {
      throw new WeftError('journal-full', 'the room that is left on the disk is kept for the journal');
    }
    await file.write(bytes, size);
    size += bytes.length;
  }
}

function* partsOf({ entries, ...head }: Picture): Generator<Part> {
  yield { format: FORMAT, ...head };
  for (let at = 0; at < entries.length; at += PART) yield { entries: entries.slice(at, at + PART) };
  yield { end: entries.length };
}

function readPicture(file: Buffer): Found {
  if (!file.subarray(0, MAGIC.length).equals(MAGIC)) return { ok: false, reason: 'it is no picture of a cluster' };
  const entries: Entry[] = [];
  let head: Head | undefined;
  let before: FoundFrame | undefined;
  for (let at = MAGIC.length, index = 0; ; index++) {
    const frame = frameAt(file, at);
    if (frame?.sequence !== index || frame.previous !== (before?.checksum ?? 0)) {
      return { ok: false, reason: `it is damaged at byte ${at}` };
    }
    const part = parsePayload(frame.payload) as Part;
    if ('format' in part) head = part;
    else if ('entries' in part) entries.push(...part.entries);
    else break;
    if (head?.format !== FORMAT) return { ok: false, reason: `its format ${head?.format ?? 0} is another weft's` };
    before = frame;
    at = frame.end;
  }
  if (!head) return { ok: false, reason: 'it has no beginning' };
  const { node, cluster, revision, takenAt } = head;
  return { ok: true, picture: { node, cluster, revision, takenAt, entries } };
}
