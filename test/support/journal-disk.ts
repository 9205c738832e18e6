/**
 * A disk in memory behind the journal's files. It forgets at a power cut what was not synced: bytes by sectors, names one by
 * one, any part of them and in any order, as POSIX allows. It can be full, fail, and be copied (a restored disk, a clone).
 *
 * Everything happens in microtasks, so that a simulation decides about time.
 */
import { dirname } from 'node:path';
import type { FilePort, OpenFile } from '../../src/store/journal/file-port.ts';
import type { Random } from './random.ts';

const SECTOR = 512;

export type FileOperation =
  'list' | 'read' | 'open' | 'rename' | 'unlink' | 'syncDirectory' | 'write' | 'truncate' | 'sync' | 'close';

/** One change since the last sync, with what it replaced. */
type Change =
  | { kind: 'write'; position: number; data: Buffer; before: Buffer; sizeBefore: number }
  | { kind: 'truncate'; size: number; before: Buffer; sizeBefore: number };

class Inode {
  #bytes = Buffer.alloc(0);
  size = 0;
  changes: Change[] = [];

  content(): Buffer {
    return this.#bytes.subarray(0, this.size);
  }

  write(data: Uint8Array, position: number): void {
    const before = Buffer.from(this.#bytes.subarray(position, Math.min(position + data.length, this.size)));
    this.changes.push({ kind: 'write', position, data: Buffer.from(data), before, sizeBefore: this.size });
    this.put(data, position);
  }

  truncate(size: number): void {
    const before = Buffer.from(this.#bytes.subarray(Math.min(size, this.size), this.size));
    this.changes.push({ kind: 'truncate', size, before, sizeBefore: this.size });
    this.resize(size);
  }

  put(data: Uint8Array, position: number): void {
    if (position + data.length > this.size) this.resize(position + data.length);
    this.#bytes.set(data, position);
  }

  /** Grown with zeros. */
  resize(size: number): void {
    if (size > this.#bytes.length) {
      const grown = Buffer.alloc(Math.max(size, 2 * this.#bytes.length));
      grown.set(this.content());
      this.#bytes = grown;
    }
    if (size > this.size) this.#bytes.fill(0, this.size, size);
    this.size = size;
  }

  replace(content: Uint8Array): void {
    this.resize(0);
    this.put(content, 0);
    this.changes = [];
  }

  clone(): Inode {
    const copy = new Inode();
    copy.put(this.content(), 0);
    return copy;
  }

  /** What is left of the changes when they may or may not have reached the disk. */
  forget(random: Random): void {
    const { changes } = this;
    this.changes = [];
    for (const change of changes.toReversed()) {
      const position = change.kind === 'write' ? change.position : Math.min(change.size, change.sizeBefore);
      this.put(change.before, position);
      this.resize(change.sizeBefore);
    }
    const how = random.integer(4);
    if (how === 0) return;
    for (const change of changes) {
      if (how === 2 && random.integer(2) === 0) break;
      if (change.kind === 'truncate') {
        if (how !== 3 || random.integer(2) === 0) this.resize(change.size);
        continue;
      }
      for (const { at, piece } of sectors(change)) {
        if (how === 2 && random.integer(8) === 0) return;
        if (how !== 3 || random.integer(2) === 0) this.put(piece, at);
      }
    }
  }
}

function* sectors({ position, data }: { position: number; data: Buffer }): Generator<{ at: number; piece: Buffer }> {
  for (let at = position; at < position + data.length;) {
    const end = Math.min((Math.floor(at / SECTOR) + 1) * SECTOR, position + data.length);
    yield { at, piece: data.subarray(at - position, end - position) };
    at = end;
  }
}

type Names = Map<string, Inode>;

export class JournalDisk {
  #names: Names = new Map();
  #durableNames: Names = new Map();
  /** changes of names since the last sync of their directory; undefined: the name went */
  #nameChanges: [path: string, inode: Inode | undefined][][] = [];
  #session = new AbortController();
  /** bytes of all files together */
  capacity = Infinity;
  /** Called before each operation; throws to make it fail. It may cut the power: then the operation never ends. */
  onOperation: ((operation: FileOperation, path: string) => void) | undefined;

  /** The files as one process sees them, until the next `kill` or `powerCut`. */
  files(): FilePort {
    return new Session(this, this.#session.signal);
  }

  /** The process dies; what it wrote is in the kernel's cache. */
  kill(): void {
    this.#session.abort();
    this.#session = new AbortController();
  }

  /** The process dies, and what was not synced may be gone in part. */
  powerCut(random: Random): void {
    this.kill();
    const names = new Map(this.#durableNames);
    for (const changes of this.#nameChanges) {
      if (random.integer(2) === 0) continue;
      for (const [path, inode] of changes) set(names, path, inode);
    }
    for (const inode of new Set(names.values())) inode.forget(random);
    this.#settle(names);
  }

  /** The disk as it is now, on another machine. */
  copy(): JournalDisk {
    const copy = new JournalDisk();
    copy.#settle(new Map([...this.#names].map(([path, inode]) => [path, inode.clone()])));
    return copy;
  }

  paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  content(path: string): Buffer | undefined {
    return this.#names.get(path)?.content();
  }

  /** Behind everybody's back: what rot, or a human, did. */
  overwrite(path: string, content: Uint8Array | undefined): void {
    if (!content) {
      this.#names.delete(path);
      this.#durableNames.delete(path);
      return;
    }
    const inode = this.#names.get(path) ?? new Inode();
    inode.replace(content);
    this.#names.set(path, inode);
    this.#durableNames.set(path, inode);
  }

  get used(): number {
    let bytes = 0;
    for (const { size } of this.#names.values()) bytes += size;
    return bytes;
  }

  inode(path: string): Inode | undefined {
    return this.#names.get(path);
  }

  change(...changes: [path: string, inode: Inode | undefined][]): void {
    for (const [path, inode] of changes) set(this.#names, path, inode);
    this.#nameChanges.push(changes);
  }

  syncDirectory(): void {
    this.#durableNames = new Map(this.#names);
    this.#nameChanges = [];
  }

  #settle(names: Names): void {
    this.#names = names;
    for (const inode of names.values()) inode.changes = [];
    this.syncDirectory();
  }
}

function set(names: Names, path: string, inode: Inode | undefined): void {
  if (inode) names.set(path, inode);
  else names.delete(path);
}

export function diskError(code: string): Error {
  return Object.assign(new Error(`${code}: simulated`), { code });
}

class Session implements FilePort {
  readonly #disk: JournalDisk;
  readonly #over: AbortSignal;

  constructor(disk: JournalDisk, over: AbortSignal) {
    this.#disk = disk;
    this.#over = over;
  }

  /** What a dead process asked for never ends. */
  async during<T>(operation: FileOperation, path: string, work: (disk: JournalDisk) => T): Promise<T> {
    await Promise.resolve();
    if (!this.#over.aborted) this.#disk.onOperation?.(operation, path);
    if (this.#over.aborted) return new Promise<never>(() => undefined);
    return work(this.#disk);
  }

  makeDirectory(): Promise<void> {
    return Promise.resolve();
  }

  list(directory: string): Promise<string[]> {
    return this.during('list', directory, (disk) =>
      disk
        .paths()
        .filter((path) => dirname(path) === directory)
        .map((path) => path.slice(directory.length + 1)),
    );
  }

  read(path: string): Promise<Uint8Array | undefined> {
    return this.during('read', path, (disk) => {
      const content = disk.content(path);
      return content && Buffer.from(content);
    });
  }

  size(path: string): Promise<number | undefined> {
    return this.during('read', path, (disk) => disk.inode(path)?.size);
  }

  room(): Promise<number> {
    return this.during('read', '', (disk) => disk.capacity - disk.used);
  }

  open(path: string, how: 'create' | 'existing'): Promise<OpenFile> {
    return this.during('open', path, (disk) => {
      let inode = disk.inode(path);
      if (!inode) {
        if (how === 'existing') throw diskError('ENOENT');
        inode = new Inode();
        disk.change([path, inode]);
      } else if (how === 'create') inode.truncate(0);
      return new SessionFile(this, path, inode);
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.during('rename', to, (disk) => {
      const inode = disk.inode(from);
      if (!inode) throw diskError('ENOENT');
      disk.change([from, undefined], [to, inode]);
    });
  }

  unlink(path: string): Promise<void> {
    return this.during('unlink', path, (disk) => {
      if (disk.inode(path)) disk.change([path, undefined]);
    });
  }

  syncDirectory(path: string): Promise<void> {
    return this.during('syncDirectory', path, (disk) => {
      disk.syncDirectory();
    });
  }
}

class SessionFile implements OpenFile {
  readonly #session: Session;
  readonly #path: string;
  readonly #inode: Inode;

  constructor(session: Session, path: string, inode: Inode) {
    this.#session = session;
    this.#path = path;
    this.#inode = inode;
  }

  write(data: Uint8Array, position: number): Promise<void> {
    return this.#session.during('write', this.#path, (disk) => {
      const grows = Math.max(0, position + data.length - this.#inode.size);
      const room = Math.max(0, disk.capacity - disk.used);
      if (grows <= room) return this.#inode.write(data, position);
      this.#inode.write(data.subarray(0, Math.max(0, data.length - (grows - room))), position);
      throw diskError('ENOSPC');
    });
  }

  truncate(size: number): Promise<void> {
    return this.#session.during('truncate', this.#path, () => this.#inode.truncate(size));
  }

  sync(): Promise<void> {
    return this.#session.during('sync', this.#path, () => {
      this.#inode.changes = [];
    });
  }

  close(): Promise<void> {
    return this.#session.during('close', this.#path, () => undefined);
  }
}
