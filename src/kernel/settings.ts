/**
 * Settings below /proc/sys/net. Reading one of another namespace takes a thread that enters it, about a millisecond on a busy
 * host, and a round reads eight: what was read is kept until weft sets one, or the kernel tells that one was changed. It tells
 * of forwarding alone; others are read again after a while.
 */
import { readFileSync } from 'node:fs';
import { NetlinkError, readSysctl } from 'netlink-ts';
import type { Namespace } from 'netlink-ts';
import type { KernelObject } from '../plan/objects.ts';

/** in milliseconds; shorter than the pause between two whole looks of the loop */
const AGE = 30_000;

export class Settings {
  readonly #paths: readonly string[];
  readonly #clock: () => number;
  readonly #read = new Map<string, { inode: number; at: number; objects: KernelObject[] }>();

  constructor(paths: readonly string[], clock: () => number = () => performance.now()) {
    this.#paths = paths;
    this.#clock = clock;
  }

  /** `name` is the namespace's file; one that is bound anew is read anew. */
  of(name: string, namespace: Namespace): KernelObject[] {
    const known = this.#read.get(name);
    const now = this.#clock();
    if (known?.inode === namespace.inode && now - known.at < AGE) return known.objects;
    const objects = this.#paths.flatMap((path): KernelObject[] => {
      const value = settingOf(namespace, path);
      // A kernel without the setting (no br_netfilter, no IPv6) has nothing that could be wrong.
      return value === undefined ? [] : [{ kind: 'sysctl', path, value }];
    });
    this.#read.set(name, { inode: namespace.inode, at: now, objects });
    return objects;
  }

  forget(name: string): void {
    this.#read.delete(name);
  }
}

/** Undefined where the kernel has no such setting. */
export function settingOf(namespace: Namespace, path: string): string | undefined {
  return unlessMissing(() => readSysctl(namespace, path));
}

/** Of the namespace that this process is in, for which it needs no thread. */
export function ownSettingOf(path: string): string | undefined {
  return unlessMissing(() => readFileSync(`/proc/sys/${path}`, 'utf8').trimEnd());
}

function unlessMissing(read: () => string): string | undefined {
  try {
    return read();
  } catch (error) {
    const code = error instanceof NetlinkError ? error.code : (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return undefined;
    throw error;
  }
}
