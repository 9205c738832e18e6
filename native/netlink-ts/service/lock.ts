/** flock(2): Node has no locks of files. */
import { named } from '../namespace/namespace.ts';
import { addon } from '../socket/addon.ts';

/**
 * Takes the exclusive lock of an open file; false while another has it. The kernel frees it when the descriptor is closed,
 * by the end of the process too. It counts on the whole machine, in all namespaces, for whoever opens the same inode.
 * Throws NetlinkError.
 */
export function tryLock(descriptor: number): boolean {
  try {
    return addon().lock(descriptor);
  } catch (error) {
    throw named(`lock descriptor ${descriptor}`, error);
  }
}
