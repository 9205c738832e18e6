/** The journal's files on a real disk. */
import { mkdir, open, readFile, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { FilePort, OpenFile } from './file-port.ts';

export const nodeFiles: FilePort = {
  makeDirectory: async (path) => {
    await mkdir(path, { recursive: true, mode: 0o700 });
  },
  list: (directory) => readdir(directory),
  read: (path) => unlessMissing(readFile(path)),
  size: async (path) => (await unlessMissing(stat(path)))?.size,
  open: async (path, how) => new NodeFile(await open(path, how === 'create' ? 'w' : 'r+', 0o600)),
  rename: (from, to) => rename(from, to),
  unlink: (path) => rm(path, { force: true }),
  syncDirectory: async (path) => {
    const directory = await open(path, 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  },
  room: async (directory) => {
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize;
  },
};

async function unlessMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

class NodeFile implements OpenFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async write(data: Uint8Array, position: number): Promise<void> {
    for (let written = 0; written < data.length;) {
      const rest = data.length - written;
      written += (await this.#handle.write(data, written, rest, position + written)).bytesWritten;
    }
  }

  truncate(size: number): Promise<void> {
    return this.#handle.truncate(size);
  }

  /** fdatasync: the size goes with it, the times of the inode do not. */
  sync(): Promise<void> {
    return this.#handle.datasync();
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
