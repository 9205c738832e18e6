/** From the files on disk to the state: what a crash left is put right, what it cannot explain is an error. */
import { dirname, join } from 'node:path';
import { damaged } from './failure.ts';
import type { FilePort } from './file-port.ts';
import { FORMAT, LogFile } from './log-file.ts';
import { readLog } from './log-reader.ts';
import type { ReadLog } from './log-reader.ts';
import { MARK, logPath, snapshotPath, sortNames } from './names.ts';
import type { Present } from './names.ts';
import { MarkFile, readMark } from './mark.ts';
import type { FoundMark, Mark } from './mark.ts';
import type { JournalEntry, JournalHeader, JournalOptions } from './port.ts';
import { readSnapshot } from './snapshot-file.ts';
import type { Snapshot } from './snapshot-file.ts';
import { State } from './state.ts';

export interface Recovered {
  fresh: boolean;
  header: JournalHeader;
  state: State;
  sequence: number;
  published: number;
  /** above `published` */
  pending: JournalEntry[];
  mark: MarkFile;
  log: LogFile;
  /** number of the log that the last snapshot leads to */
  base: number;
  /** bytes of the logs from there on */
  logBytes: number;
  snapshotBytes: number;
}

/** @throws WeftError `journal-damaged`; then nothing on disk was changed */
export async function recover(options: JournalOptions): Promise<Recovered> {
  const { files, directory } = options;
  await files.makeDirectory(directory);
  const present = sortNames(await files.list(directory));
  const markPath = join(directory, MARK);
  const content = present.mark ? await files.read(markPath) : undefined;
  const found = content ? readMark(content) : undefined;
  if (present.logs.length + present.snapshots.length === 0) {
    if (found?.mark && found.mark.log > 0) throw damaged(markPath, 0, 'it tells of entries, but there is no log');
    return begin(options);
  }
  if (!found?.mark) throw damaged(markPath, 0, 'it does not say how much was on disk');
  const read = await readAll(files, directory, { present, mark: found.mark });
  return resume(options, present, { ...read, found: { ...found, mark: found.mark } });
}

async function begin({ files, directory, header }: JournalOptions): Promise<Recovered> {
  const mark = new MarkFile(await files.open(join(directory, MARK), 'create'), 0);
  try {
    // log 0: no log was begun, so that a crash before there is one leaves nothing to miss
    await mark.begin({ sequence: 0, published: 0, log: 0 });
    await files.syncDirectory(directory);
    await files.syncDirectory(dirname(directory));
    const log = await LogFile.create(files, directory, { format: FORMAT, log: 1, first: 1, header });
    await mark.write({ sequence: 0, published: 0, log: 1 });
    const nothing = { sequence: 0, published: 0, pending: [], base: 1, logBytes: log.size, snapshotBytes: 0 };
    return { fresh: true, header, state: new State(), mark, log, ...nothing };
  } catch (error) {
    await mark.close();
    throw error;
  }
}

interface Read {
  snapshot: Snapshot | undefined;
  snapshotBytes: number;
  logs: ReadLog[];
  /** of the last log */
  content: Uint8Array;
}

async function readAll(
  files: FilePort,
  directory: string,
  { present, mark }: { present: Present; mark: Mark },
): Promise<Read> {
  const number = present.snapshots.at(-1);
  const path = number === undefined ? undefined : snapshotPath(directory, number);
  const whole = path === undefined ? undefined : ((await files.read(path)) ?? new Uint8Array());
  const snapshot = path !== undefined && whole ? readSnapshot(path, whole) : undefined;
  if (path !== undefined && snapshot?.log !== number) throw damaged(path, 0, 'it is a snapshot of another name');
  const base = number ?? 1;
  const newest = Math.max(mark.log, present.logs.at(-1) ?? 0, base);
  const logs: ReadLog[] = [];
  let content: Uint8Array | undefined;
  let last = snapshot?.sequence ?? 0;
  for (let at = base; at <= newest; at++) {
    const path = logPath(directory, at);
    content = await files.read(path);
    if (!content) throw damaged(path, 0, 'it is missing');
    const log = readLog({ path, content, durable: at < newest ? Infinity : mark.sequence });
    if (log.header.log !== at) throw damaged(path, 0, `it is log ${log.header.log} under another name`);
    if (log.header.first !== last + 1) {
      throw damaged(path, 0, `it begins with entry ${log.header.first}, but what is before it ends with ${last}`);
    }
    last = log.last;
    logs.push(log);
  }
  return { snapshot, snapshotBytes: whole?.length ?? 0, logs, content: content ?? new Uint8Array() };
}

async function resume(
  options: JournalOptions,
  present: Present,
  { snapshot, snapshotBytes, logs, content, found }: Read & { found: FoundMark & { mark: Mark } },
): Promise<Recovered> {
  const { files, directory, log } = options;
  const last = logs.at(-1);
  if (!last) throw damaged(directory, 0, 'there is no log');
  const path = logPath(directory, last.header.log);
  if (last.torn > 0 && found.suspect) {
    throw damaged(
      path,
      last.end.size,
      'what follows does not hold, and the mark that tells how much was on disk is in doubt',
    );
  }
  const base = snapshot?.log ?? 1;
  const file = await makeCertain(options, { last, path, content, mark: found.mark });
  await clean(options, present, base);
  for (const { header, repeated } of logs) {
    if (repeated > 0)
      log.warn({ path: logPath(directory, header.log), repeated }, 'entries of the journal stood there twice, alike');
  }
  const state = new State();
  for (const [key, value] of snapshot?.records ?? []) state.set(key, value);
  for (const { entries } of logs) for (const { operations } of entries) state.apply(operations);
  const published = Math.max(found.mark.published, snapshot?.published ?? 0);
  const entries = [...(snapshot?.pending ?? []), ...logs.flatMap((read) => read.entries)];
  return {
    fresh: false,
    header: last.header.header,
    state,
    sequence: last.last,
    published,
    pending: entries.filter(({ sequence }) => sequence > published),
    mark: new MarkFile(await files.open(join(directory, MARK), 'existing'), found.turn),
    log: file,
    base,
    logBytes: logs.reduce((sum, { end }) => sum + end.size, 0),
    snapshotBytes,
  };
}

/** Removes what counts no more. */
async function clean({ files, directory }: JournalOptions, present: Present, base: number): Promise<void> {
  const obsolete = [
    ...present.logs.filter((number) => number < base).map((number) => logPath(directory, number)),
    ...present.snapshots.filter((number) => number < base).map((number) => snapshotPath(directory, number)),
  ];
  // the name of the snapshot may be in the kernel's cache only: it must not be lost to what it replaces
  if (obsolete.length > 0) await files.syncDirectory(directory);
  for (const path of [...obsolete, ...present.unfinished.map((name) => join(directory, name))])
    await files.unlink(path);
}

/**
 * What is read behind the last proof may be in the kernel's cache only: after a failed sync the kernel holds such pages for
 * clean, and syncing them again would prove nothing. They are written once more, in place, which needs no room.
 */
async function makeCertain(
  { files, directory, log }: JournalOptions,
  { last, path, content, mark }: { last: ReadLog; path: string; content: Uint8Array; mark: Mark },
): Promise<LogFile> {
  const file = await files.open(path, 'existing');
  if (last.torn > 0) {
    log.warn(
      { path, offset: last.end.size, bytes: last.torn, sequence: last.last },
      'a torn end of the journal was cut',
    );
  }
  try {
    if (last.torn > 0 || last.last > mark.sequence) {
      if (last.proved < last.end.size) await file.write(content.subarray(last.proved, last.end.size), last.proved);
      await file.truncate(last.end.size);
    }
    // also for what an earlier process took back: a power cut could bring it again
    await file.sync();
    if (mark.log < last.header.log) await files.syncDirectory(directory);
  } catch (error) {
    await file.close();
    throw error;
  }
  return new LogFile(last.header.log, file, last.end);
}
