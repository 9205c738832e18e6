/** The journal's side towards the disk: the log, the mark, the reserve and the snapshots. One call at a time, save `compact`. */
import { failed, full, outOfRoom } from './failure.ts';
import { FORMAT, LogFile } from './log-file.ts';
import type { Mark, MarkFile } from './mark.ts';
import { logPath, snapshotPath } from './names.ts';
import type { JournalHeader, JournalLimits, JournalOptions } from './port.ts';
import type { Recovered } from './recovery.ts';
import { Reserve } from './reserve.ts';
import { writeSnapshot } from './snapshot-file.ts';
import type { Snapshot } from './snapshot-file.ts';

/** Bytes that have to be free besides the reserve before it is taken again, so that it is not given back at once. */
const SPARE = 2 ** 18;
/** A log more for each boot: so many before a snapshot, however small they are. */
const MOST_LOGS = 8;

export class Writer {
  readonly #options: JournalOptions;
  readonly #limits: JournalLimits;
  readonly #reserve: Reserve;
  readonly #mark: MarkFile;
  #log: LogFile;
  /** number of the first log that counts */
  #base: number;
  /** logs that the next snapshot replaces, without the one that is written to */
  #finishedLogs: number;
  #finishedBytes: number;
  #snapshotBytes: number;
  #full = false;

  constructor(options: JournalOptions, limits: JournalLimits, { log, mark, base, logBytes, snapshotBytes }: Recovered) {
    this.#options = options;
    this.#limits = limits;
    this.#reserve = new Reserve(options.files, options.directory, limits.reserveBytes);
    this.#log = log;
    this.#mark = mark;
    this.#base = base;
    this.#finishedLogs = log.number - base;
    this.#finishedBytes = logBytes - log.size;
    this.#snapshotBytes = snapshotBytes;
  }

  /** The reserve is all the room there is, or less. */
  get full(): boolean {
    return this.#full;
  }

  /** A snapshot would be smaller than what it replaces, by far. */
  get worthCompacting(): boolean {
    const bytes = this.#finishedBytes + this.#log.size;
    const enough = Math.max(this.#limits.logBytes, 2 * this.#snapshotBytes);
    return !this.#full && (bytes >= enough || this.#finishedLogs >= MOST_LOGS);
  }

  async begin(): Promise<void> {
    const { directory, log } = this.#options;
    await this.#reserve.look();
    if (this.#reserve.missing <= 0) return;
    this.#full = true;
    if (await this.regain()) return;
    log.warn({ directory }, 'no room for the reserve of the journal: only releases are taken until there is');
  }

  /**
   * On disk when it resolves, in the reserve if need be: what was appended before the disk was found full is written too.
   * @throws WeftError `journal-full`: nothing was written; after any other error the log is in doubt
   */
  async write(entries: readonly { sequence: number; payload: string }[]): Promise<void> {
    const attempt = async () => {
      try {
        await this.#log.write(entries);
      } catch (error) {
        if (outOfRoom(error)) await this.#log.takeBack();
        throw error;
      }
    };
    await this.#withReserve(attempt, true);
    await this.#log.sync();
  }

  /** Another log, with this header, on disk when it resolves. */
  async rotate(header: JournalHeader, mark: Omit<Mark, 'log'>, mayUseReserve: boolean): Promise<void> {
    const { files, directory } = this.#options;
    const number = this.#log.number + 1;
    const first = mark.sequence + 1;
    const before = this.#log;
    await before.finish();
    this.#log = await this.#withReserve(
      () => LogFile.create(files, directory, { format: FORMAT, log: number, first, header }),
      mayUseReserve,
    );
    this.#finishedLogs++;
    this.#finishedBytes += before.size;
    await before.close();
    await this.mark(mark);
    await this.#warnOnly('the mark of the journal could not be synced', () => this.#mark.sync());
  }

  /** Best effort: a mark that lags only proves less. */
  async mark({ sequence, published }: Omit<Mark, 'log'>): Promise<void> {
    await this.#warnOnly('the mark of the journal could not be written', () =>
      this.#mark.write({ sequence, published, log: this.#log.number }),
    );
  }

  /** Number of the log that is written to. */
  get number(): number {
    return this.#log.number;
  }

  /** May run beside writes. The logs before the snapshot go when it is on disk. */
  async compact(snapshot: Snapshot): Promise<void> {
    const { files, directory, log } = this.#options;
    const replaced = this.#finishedBytes;
    // also when it fails: tried again when as much has been written once more
    this.#finishedLogs = this.#finishedBytes = 0;
    const bytes = await writeSnapshot(files, directory, snapshot);
    const base = this.#base;
    this.#base = snapshot.log;
    this.#snapshotBytes = bytes;
    for (let number = base; number < snapshot.log; number++) await files.unlink(logPath(directory, number));
    // the first log has no snapshot before it
    await files.unlink(snapshotPath(directory, base));
    log.debug({ sequence: snapshot.sequence, bytes, replaced }, 'the journal was compacted');
  }

  /** Takes the reserve again if there is room for it, and then some; whether it has it. Asked often while there is none. */
  async regain(): Promise<boolean> {
    if (!this.#full) return true;
    const { files, directory, log } = this.#options;
    try {
      const room = await files.room(directory);
      if (room < this.#reserve.missing + SPARE) return false;
      await this.#reserve.take();
    } catch (error) {
      // a quota, say, which nobody told of
      log.debug({ directory, err: error }, 'the reserve of the journal could not be taken');
      return false;
    }
    this.#full = false;
    log.info({ directory }, 'the journal has room, and its reserve');
    return true;
  }

  async close(): Promise<void> {
    await this.#warnOnly('the mark of the journal could not be synced', () => this.#mark.sync());
    await this.abandon();
  }

  /** Lets go of the files as they are. */
  async abandon(): Promise<void> {
    for (const file of [this.#mark, this.#log]) {
      await this.#warnOnly('a file of the journal could not be closed', () => file.close());
    }
  }

  async #withReserve<T>(attempt: () => Promise<T>, mayUseReserve: boolean): Promise<T> {
    const { directory, log } = this.#options;
    try {
      return await attempt();
    } catch (error) {
      if (!outOfRoom(error)) throw error;
      log.warn({ directory }, 'no room for the journal: only releases are taken until there is');
      this.#full = true;
      if (!mayUseReserve) throw full(directory, 'no room is left on the disk', error);
    }
    try {
      if (!(await this.#reserve.give())) log.warn({ directory }, 'the reserve of the journal was given before');
      return await attempt();
    } catch (error) {
      if (!outOfRoom(error)) throw error;
      throw full(directory, 'no room is left on the disk, nor in the reserve', error);
    }
  }

  async #warnOnly(message: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#options.log.warn({ directory: this.#options.directory, err: error }, message);
    }
  }
}

/** What makes a journal unusable, as the error that says so. */
export function fatal(directory: string, error: unknown): Error {
  return failed(directory, 'a write failed, and nothing can be said of what the disk holds of it', error);
}
