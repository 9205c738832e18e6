/**
 * The operations on files that the journal is built from, and nothing more, so that a double can crash, tear and fill the disk
 * between any two of them. Errors are those of node:fs: `ENOSPC` is told apart by its `code`.
 */
export interface FilePort {
  /** With parents, 0700; no error when it is there. */
  makeDirectory(path: string): Promise<void>;
  /** Names, in any order. */
  list(directory: string): Promise<string[]>;
  /** The whole file; undefined when there is none. */
  read(path: string): Promise<Uint8Array | undefined>;
  /** Bytes; undefined when there is none. */
  size(path: string): Promise<number | undefined>;
  /** `create` makes it 0600, or empties one that is there. */
  open(path: string, how: 'create' | 'existing'): Promise<OpenFile>;
  rename(from: string, to: string): Promise<void>;
  /** No error when it is gone. */
  unlink(path: string): Promise<void>;
  /** Makes names durable: those made, renamed and removed before. */
  syncDirectory(path: string): Promise<void>;
  /** Bytes that can still be written on the file system of `directory`. */
  room(directory: string): Promise<number>;
}

export interface OpenFile {
  /** All of `data`, or an error; then any part of it may be there. */
  write(data: Uint8Array, position: number): Promise<void>;
  truncate(size: number): Promise<void>;
  /** Content and size are on disk when it resolves. After an error the kernel may have dropped them: never tried again. */
  sync(): Promise<void>;
  close(): Promise<void>;
}
