/** A log: a header that says who writes, then the entries in order. It is written here and read in `log-reader.ts`. */
import { failed } from './failure.ts';
import type { FilePort, OpenFile } from './file-port.ts';
import { FrameWriter, MAGIC } from './frame.ts';
import { UNFINISHED, logPath } from './names.ts';
import type { JournalHeader } from './port.ts';

export const FORMAT = 1;

export interface LogHeader {
  format: number;
  log: number;
  /** sequence of its first entry */
  first: number;
  header: JournalHeader;
}

/** Where the next frame goes. */
export interface LogEnd {
  size: number;
  previous: number;
}

export class LogFile {
  readonly number: number;
  readonly #file: OpenFile;
  #end: LogEnd;
  #synced = true;

  constructor(number: number, file: OpenFile, end: LogEnd) {
    this.number = number;
    this.#file = file;
    this.#end = end;
  }

  /**
   * On disk when it resolves, and under its name only when its header is: a log with a bad header is never a crash's doing.
   * @throws WeftError `journal-failed` when it has its name, but maybe not after a crash; after other errors it is not there
   */
  static async create(files: FilePort, directory: string, header: LogHeader): Promise<LogFile> {
    const path = logPath(directory, header.log);
    const frames = new FrameWriter(0);
    frames.add(0, JSON.stringify(header));
    const { bytes, previous } = frames.take();
    const file = await files.open(`${path}${UNFINISHED}`, 'create');
    try {
      await file.write(Buffer.concat([MAGIC, bytes]), 0);
      await file.sync();
      await files.rename(`${path}${UNFINISHED}`, path);
    } catch (error) {
      await file.close();
      await files.unlink(`${path}${UNFINISHED}`);
      throw error;
    }
    await files.syncDirectory(directory).catch((cause: unknown) => {
      throw failed(directory, 'its names could not be made durable', cause);
    });
    return new LogFile(header.log, file, { size: MAGIC.length + bytes.length, previous });
  }

  get size(): number {
    return this.#end.size;
  }

  /**
   * Behind what was written before, in one write; not synced. After an error the log ends where it ended before, once
   * `takeBack` has cut what may be there in part.
   */
  async write(entries: readonly { sequence: number; payload: string }[]): Promise<void> {
    const frames = new FrameWriter(this.#end.previous);
    for (const [back, { sequence, payload }] of entries.entries()) frames.add(sequence, payload, back);
    const { bytes, previous } = frames.take();
    this.#synced = false;
    await this.#file.write(bytes, this.#end.size);
    this.#end = { size: this.#end.size + bytes.length, previous };
  }

  takeBack(): Promise<void> {
    return this.#file.truncate(this.#end.size);
  }

  async sync(): Promise<void> {
    await this.#file.sync();
    this.#synced = true;
  }

  /** Nothing comes behind it: from here on, whatever does not hold in it is damage. */
  async finish(): Promise<void> {
    // also what was taken back: a power cut could bring it again
    if (!this.#synced) await this.sync();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
