/**
 * A snapshot of etcd's data in a file, as `etcdctl snapshot save` writes it: the database, and behind it the sha256 of the
 * database, which etcd appends so that a copy can be checked.
 */
import { createHash } from 'node:crypto';
import { open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { WeftError, describeCause } from '../../model/errors.ts';
import { storeError } from '../failure.ts';
import { syncDirectory } from './files.ts';
import type { Maintenance } from './maintenance.ts';

const SUM_BYTES = 32;
/** etcd's database has pages of at least this size (bbolt) */
const PAGE_BYTES = 512;
const READ_BYTES = 1024 * 1024;

export interface Progress {
  written: number;
  /** bytes; what etcd says is still to come included */
  total: number;
}

/** Resolves to the file's size. 0600, complete and on disk when it has its name; a file of that name is replaced. */
export async function saveSnapshot(
  maintenance: Maintenance,
  path: string,
  { onProgress, signal }: { onProgress?: (progress: Progress) => void; signal?: AbortSignal } = {},
): Promise<number> {
  const partial = `${path}.partial`;
  await rm(partial, { force: true });
  const file = await open(partial, 'wx', 0o600);
  try {
    const check = new SumCheck();
    signal?.throwIfAborted();
    const stream = await maintenance.snapshot();
    const cancel = (): void => stream.cancel();
    // one that is cancelled reports so, when nobody reads it any more
    stream.on('error', () => undefined);
    signal?.addEventListener('abort', cancel, { once: true });
    let written = 0;
    try {
      for await (const piece of stream as AsyncIterable<{ blob: Buffer; remaining_bytes: string }>) {
        check.add(piece.blob);
        await file.writeFile(piece.blob);
        written += piece.blob.length;
        onProgress?.({ written, total: written + Number(piece.remaining_bytes) });
      }
    } finally {
      signal?.removeEventListener('abort', cancel);
      stream.cancel();
    }
    if (!check.holds()) throw broken(path, 'what etcd sent does not have the sum that it sent with it');
    await file.sync();
    signal?.throwIfAborted();
    await rename(partial, path);
    await syncDirectory(dirname(path));
    return written;
  } catch (error) {
    await rm(partial, { force: true });
    signal?.throwIfAborted();
    if (error instanceof WeftError || isFileError(error)) throw error;
    throw storeError(error, {
      what: 'send a snapshot',
      endpoint: maintenance.endpoint,
      deadline: 1_800_000,
      writes: false,
    });
  } finally {
    await file.close();
  }
}

/** Resolves to its size; rejects with `snapshot-invalid` for what is no whole snapshot. */
export async function verifySnapshot(path: string): Promise<number> {
  const size = await stat(path).then(
    (found) => (found.isFile() ? found.size : 0),
    (cause: unknown) => Promise.reject(broken(path, describeCause(cause))),
  );
  if (size % PAGE_BYTES !== SUM_BYTES) throw broken(path, 'it has not the length of a snapshot with its sum');
  const check = new SumCheck();
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.alloc(READ_BYTES);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, READ_BYTES, null);
      if (bytesRead === 0) break;
      check.add(Buffer.from(buffer.subarray(0, bytesRead)));
    }
  } finally {
    await file.close();
  }
  if (!check.holds()) throw broken(path, 'its content does not have the sum at its end');
  return size;
}

/** Of a stream of which only the end tells that it is the end: its last 32 bytes are the sum of all before. */
class SumCheck {
  readonly #hash = createHash('sha256');
  #tail: Buffer = Buffer.alloc(0);

  add(bytes: Buffer): void {
    const all = Buffer.concat([this.#tail, bytes]);
    const body = Math.max(0, all.length - SUM_BYTES);
    this.#hash.update(all.subarray(0, body));
    this.#tail = Buffer.from(all.subarray(body));
  }

  holds(): boolean {
    return this.#tail.length === SUM_BYTES && this.#hash.digest().equals(this.#tail);
  }
}

function broken(path: string, why: string): WeftError {
  return new WeftError('snapshot-invalid', `${path} is no whole snapshot of etcd: ${why}`, { object: path });
}

function isFileError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}
