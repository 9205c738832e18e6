/** The lock that a process holds on a file; see netlink-ts. */
import type { FileHandle } from 'node:fs/promises';
import { tryLock as lock } from 'netlink-ts';

/** False while another process has it; freed when the file is closed. */
export function tryLock(file: FileHandle): boolean {
  return lock(file.fd);
}
