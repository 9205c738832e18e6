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

/** One change since the last sync. */
type Change = { position: number; data: Buffer } | { size: number };

/** Bytes that grow, with zeros. */
class Bytes {
  #buffer = Buffer.alloc(0);
  size = 0;

  content(): Buffer {
    return this.#buffer.subarray(0, this.size);
  }

  put(data: Uint8Array, position: number): void {
    if (position + data.length > this.size) this.resize(position + data.length);
    this.#buffer.set(data, position);
  }

  resize(size: number): void {
    if (size > this.#buffer.length) {
      const grown = Buffer.alloc(Math.max(size, 2 * this.#buffer.length));
      grown.set(this.content());
      this.#buffer = grown;
    }
    if (size > this.size) this.#buffer.fill(0, this.size, size);
    this.size = size;
  }

  apply(change: Change): void {
    if ('size' in change) this.resize(change.size);
    else this.put(change.data, change.position);
  }

  replace(content: Uint8Array): void {
    this.resize(0);
    this.put(content, 0);
  }
}

/** A file: as the kernel's cache has it, and as the disk has it. */
class Inode {
  readonly cache = new Bytes();
  readonly #disk = new Bytes();
  #changes: Change[] = [];

  get size(): number {
    return this.cache.size;
  }

  change(change: Change): void {
    this.#changes.push(change);
    this.cache.apply(change);
  }

  sync(): void {
    for (const change of this.#changes) this.#disk.apply(change);
    this.#changes = [];
  }

  /** As kernels do: what could not be written counts as written from now on, and is in the cache only. */
  syncFailed(): void {
    this.#changes = [];
  }

  replace(content: Uint8Array): void {
    this.cache.replace(content);
    this.#disk.replace(content);
    this.#changes = [];
  }

  clone(): Inode {
    const copy = new Inode();
    copy.replace(this.cache.content());
    return copy;
  }

  /** The cache is gone: of the changes, the disk has got what chance says. */
  powerCut(random: Random): void {
    const how = random.pick(['none', 'all', 'first', 'some'] as const);
    for (const change of how === 'none' ? [] : this.#changes) {
      if (how === 'first' && random.integer(3) === 0) break;
      for (const part of sectors(change)) if (how !== 'some' || random.integer(2) === 0) this.#disk.apply(part);
    }
    this.#changes = [];
    this.cache.replace(this.#disk.content());
  }
}

/** What the disk takes as a whole. */
function* sectors(change: Change): Generator<Change> {
  if ('size' in change) {
    yield change;
    return;
  }
  const { position, data } = change;
  for (let at = position; at < position + data.length;) {
    const end = Math.min((Math.floor(at / SECTOR) + 1) * SECTOR, position + data.length);
    yield { position: at, data: data.subarray(at - position, end - position) };
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
    for (const inode of new Set(names.values())) inode.powerCut(random);
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
    return this.#names.get(path)?.cache.content();
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
      } else if (how === 'create') inode.change({ size: 0 });
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
      const lacks = Math.max(0, grows - Math.max(0, disk.capacity - disk.used));
      const fits = Math.max(0, data.length - lacks);
      if (fits > 0) this.#inode.change({ position, data: Buffer.from(data.subarray(0, fits)) });
      if (lacks > 0) throw diskError('ENOSPC');
    });
  }

  truncate(size: number): Promise<void> {
    return this.#session.during('truncate', this.#path, () => this.#inode.change({ size }));
  }

  async sync(): Promise<void> {
    try {
      await this.#session.during('sync', this.#path, () => this.#inode.sync());
    } catch (error) {
      this.#inode.syncFailed();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#session.during('close', this.#path, () => undefined);
  }
}
