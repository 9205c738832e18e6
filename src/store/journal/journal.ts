/** The journal in memory: state, sequence and who waits for the disk. What it appends goes to the disk in groups. */
import { WeftError } from '../../model/errors.ts';
import { Backlog } from './backlog.ts';
import { failed, full, outOfRoom } from './failure.ts';
import type {
  AppendKind,
  Appended,
  Journal,
  JournalEntry,
  JournalHeader,
  JournalLimits,
  JournalOperation,
  JournalOptions,
} from './port.ts';
import { recover } from './recovery.ts';
import type { Recovered } from './recovery.ts';
import type { State, Undo } from './state.ts';
import { Writer, fatal } from './writer.ts';

export const JOURNAL_LIMITS: JournalLimits = {
  logBytes: 2 ** 22,
  reserveBytes: 2 ** 20,
  waitingBytes: 2 ** 23,
  entryBytes: 2 ** 20,
  pendingEntries: 10_000,
  mergedOperations: 90,
};

/**
 * Reads what is there, puts right what a crash left, and goes on from it.
 * @throws WeftError `journal-damaged`: something is missing that was on disk; then nothing was changed
 */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  const limits = { ...JOURNAL_LIMITS, ...options.limits };
  const recovered = await recover(options).catch((error: unknown) => {
    throw outOfRoom(error) ? full(options.directory, 'there is no room to begin one', error) : error;
  });
  const writer = new Writer(options, limits, recovered);
  await writer.begin();
  return new OpenJournal({ options, limits, writer }, recovered);
}

interface Waiting extends JournalEntry {
  payload: string;
  undo: Undo;
}

/** Entries that go to the disk together. */
interface Group {
  entries: Waiting[];
  bytes: number;
  durable: Promise<void>;
  resolve: () => void;
  reject: (error: Error) => void;
}

interface Parts {
  options: JournalOptions;
  limits: JournalLimits;
  writer: Writer;
}

class OpenJournal implements Journal {
  readonly fresh: boolean;
  readonly #options: JournalOptions;
  readonly #limits: JournalLimits;
  readonly #writer: Writer;
  readonly #state: State;
  readonly #backlog: Backlog;
  #header: JournalHeader;
  #sequence: number;
  #durable: number;
  #published: number;
  #failure: Error | undefined;
  /** is being written */
  #writing: Group | undefined;
  /** is written next */
  #gathering: Group | undefined;
  #waitingBytes = 0;
  /** what was last told to do its turn on the disk */
  #turn: Promise<unknown> = Promise.resolve();
  #compaction: Promise<void> | undefined;
  #regaining: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor({ options, limits, writer }: Parts, recovered: Recovered) {
    this.#options = options;
    this.#limits = limits;
    this.#writer = writer;
    this.fresh = recovered.fresh;
    this.#header = recovered.header;
    this.#state = recovered.state;
    this.#sequence = this.#durable = recovered.sequence;
    this.#published = recovered.published;
    this.#backlog = new Backlog(recovered.pending, limits);
  }

  get header(): JournalHeader {
    return this.#header;
  }

  get sequence(): number {
    return this.#sequence;
  }

  get durable(): number {
    return this.#durable;
  }

  get published(): number {
    return this.#published;
  }

  get full(): boolean {
    return this.#writer.full;
  }

  get failure(): Error | undefined {
    return this.#failure;
  }

  get(key: string): unknown {
    return this.#state.get(key);
  }

  entries(prefix?: string): Iterable<[string, unknown]> {
    return this.#state.entries(prefix);
  }

  pending(after: number, limit: number): JournalEntry[] {
    return this.#backlog.after(after, limit);
  }

  publishedUpTo(sequence: number): void {
    if (sequence <= this.#published) return;
    this.#published = Math.min(sequence, this.#durable);
    this.#backlog.dropUpTo(this.#published);
  }

  append(operations: JournalOperation[], kind: AppendKind = 'normal'): Appended {
    this.#assertUsable();
    if (kind === 'normal') this.assertRoom();
    const { payload, bytes, kept } = this.#encode(operations);
    const group = (this.#gathering ??= this.#gather());
    const sequence = ++this.#sequence;
    group.entries.push({ sequence, operations: kept, payload, undo: this.#state.apply(kept) });
    group.bytes += bytes;
    this.#waitingBytes += bytes;
    return { sequence, durable: group.durable };
  }

  /** Those who ask meanwhile share one look. */
  regain(): Promise<void> {
    if (!this.#writer.full) return Promise.resolve();
    return (this.#regaining ??= this.#inTurn(() => this.#writer.regain())
      .then(() => undefined)
      .finally(() => {
        this.#regaining = undefined;
      }));
  }

  rebind(header: JournalHeader): Promise<void> {
    return this.#inTurn(async () => {
      this.#assertUsable();
      await this.#orFail(this.#writer.rotate(header, this.#mark, true));
      this.#header = header;
    });
  }

  assertRoom(): void {
    const { directory } = this.#options;
    if (this.#writer.full) throw full(directory, 'the reserve is all the room there is');
    if (this.#waitingBytes >= this.#limits.waitingBytes) {
      throw full(directory, `the disk has not taken ${this.#waitingBytes} bytes yet`);
    }
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#finish());
  }

  async #finish(): Promise<void> {
    await this.#inTurn(() => Promise.resolve());
    await this.#compaction;
    if (this.#failure) return this.#writer.abandon();
    await this.#writer.mark(this.#mark);
    await this.#writer.close();
  }

  get #mark(): { sequence: number; published: number } {
    return { sequence: this.#durable, published: this.#published };
  }

  #assertUsable(): void {
    if (this.#failure) throw failed(this.#options.directory, 'nothing can be appended any more', this.#failure);
    if (this.#closing) throw failed(this.#options.directory, 'it was closed');
  }

  /** The operations as JSON has them, so that memory holds what a recovery would read. */
  #encode(operations: JournalOperation[]): { payload: string; bytes: number; kept: JournalOperation[] } {
    const payload = JSON.stringify(operations);
    const bytes = Buffer.byteLength(payload);
    if (bytes > this.#limits.entryBytes) {
      throw new WeftError('invalid-argument', `operations: ${bytes} bytes are more than one entry holds`);
    }
    const kept = JSON.parse(payload) as JournalOperation[];
    for (const operation of kept) {
      // JSON has no undefined
      if ('put' in operation && !Object.hasOwn(operation, 'value')) {
        throw new WeftError('invalid-argument', `operations: ${operation.put} is put without a value`);
      }
    }
    return { payload, bytes, kept };
  }

  /** A group that is written when those before it are; until then appends join it. */
  #gather(): Group {
    let resolve!: () => void;
    let reject!: (error: Error) => void;
    const durable = new Promise<void>((resolved, rejected) => {
      resolve = resolved;
      reject = rejected;
    });
    // a caller who does not wait is no reason to end the process: the failure is in the log
    durable.catch(() => undefined);
    void this.#inTurn(() => this.#commit());
    return { entries: [], bytes: 0, durable, resolve, reject };
  }

  async #commit(): Promise<void> {
    const group = this.#gathering;
    if (!group) return;
    this.#writing = group;
    this.#gathering = undefined;
    try {
      await this.#orFail(this.#writer.write(group.entries));
    } catch (error) {
      // a failure has settled it already
      if (!this.#failure) this.#takeBack(error as Error);
      return;
    }
    this.#settle(group);
    await this.#writer.mark(this.#mark);
    await this.#writer.regain();
    if (this.#writer.worthCompacting && !this.#compaction) await this.#compact();
  }

  #settle(group: Group): void {
    this.#writing = undefined;
    this.#waitingBytes -= group.bytes;
    this.#durable = group.entries.at(-1)?.sequence ?? this.#durable;
    this.#backlog.add(group.entries.map(({ sequence, operations }) => ({ sequence, operations })));
    group.resolve();
  }

  /** Memory is what is durable again; those who wait are told why. */
  #takeBack(error: Error): void {
    for (const group of [this.#gathering, this.#writing]) {
      for (const { undo } of group?.entries.toReversed() ?? []) this.#state.undo(undo);
      group?.reject(error);
    }
    this.#gathering = this.#writing = undefined;
    this.#waitingBytes = 0;
    this.#sequence = this.#durable;
  }

  /** After a failure of the disk nothing is tried again on the same files: what they hold cannot be known. */
  async #orFail<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      if (error instanceof WeftError && error.code === 'journal-full') throw error;
      this.#failure = error instanceof WeftError ? error : fatal(this.#options.directory, error);
      this.#options.log.warn({ directory: this.#options.directory, err: error }, 'the journal failed');
      this.#takeBack(this.#failure);
      throw this.#failure;
    }
  }

  /** A log of its own for what comes, and a snapshot of what was, written beside it. */
  async #compact(): Promise<void> {
    const { log } = this.#options;
    try {
      await this.#orFail(this.#writer.rotate(this.#header, this.#mark, false));
    } catch {
      return;
    }
    const snapshot = {
      log: this.#writer.number,
      sequence: this.#durable,
      published: this.#published,
      records: this.#state.before(this.#gathering?.entries.map(({ undo }) => undo) ?? []),
      pending: this.#backlog.all(),
    };
    this.#compaction = this.#writer
      .compact(snapshot)
      .catch((error: unknown) => log.warn({ err: error }, 'the journal could not be compacted'))
      .finally(() => {
        this.#compaction = undefined;
      });
  }

  /** One after the other on the disk; what fails does not keep the next from its turn. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}
