/**
 * Bytes that are taken on disk and mean nothing: given back to the file system when a release finds no room, and taken
 * again when there is some. (A file system that copies on write may need more for that than it gets back.)
 */
import { join } from 'node:path';
import type { FilePort } from './file-port.ts';
import { RESERVE } from './names.ts';

export class Reserve {
  readonly #files: FilePort;
  readonly #directory: string;
  readonly #bytes: number;
  #held = 0;

  constructor(files: FilePort, directory: string, bytes: number) {
    this.#files = files;
    this.#directory = directory;
    this.#bytes = bytes;
  }

  get #path(): string {
    return join(this.#directory, RESERVE);
  }

  /** Bytes that are not held and should be. */
  get missing(): number {
    return this.#bytes - this.#held;
  }

  /** What an earlier process held. */
  async look(): Promise<void> {
    if (this.#bytes > 0) this.#held = Math.min((await this.#files.size(this.#path)) ?? 0, this.#bytes);
  }

  /** False when there is nothing to give. */
  async give(): Promise<boolean> {
    if (this.#held === 0) return false;
    this.#held = 0;
    const file = await this.#files.open(this.#path, 'existing');
    try {
      await file.truncate(0);
    } finally {
      await file.close();
    }
    return true;
  }

  /** @throws when there is no room; then nothing is held */
  async take(): Promise<void> {
    if (this.missing <= 0) return;
    const file = await this.#files.open(this.#path, 'create');
    this.#held = 0;
    try {
      await file.write(noise(this.#bytes), 0);
      await file.sync();
      this.#held = this.#bytes;
    } finally {
      if (this.missing > 0) await file.truncate(0);
      await file.close();
    }
  }
}

/** Bytes that a file system which compresses cannot make smaller (xorshift32). */
function noise(bytes: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(bytes / 4));
  let word = 0x9e3779b9;
  for (let at = 0; at < words.length; at++) {
    word ^= word << 13;
    word ^= word >>> 17;
    word ^= word << 5;
    words[at] = word;
  }
  return new Uint8Array(words.buffer, 0, bytes);
}
