/** Whether the overlay's UDP port is free, or held by vxlan devices of ours alone. */
import { readFile, readdir, readlink } from 'node:fs/promises';
import { WeftError } from '../model/errors.ts';

/** Columns of /proc/net/udp: slot, local address as HEX:PORT, ..., inode as the tenth. */
const INODE_COLUMN = 9;

/** Throws `overlay-port-taken`, naming the process; `ours`: tenants' namespaces of ours stand, from before a restart. */
export async function assertOverlayPortFree(port: number, ours: boolean): Promise<void> {
  const inodes = await socketsOn(port);
  if (inodes.size === 0) return;
  const holder = await processWith(inodes);
  // Sockets of vxlan devices belong to no process.
  if (holder === undefined && ours) return;
  throw new WeftError(
    'overlay-port-taken',
    `UDP port ${port} is used by ${holder ?? 'a VXLAN device that is not ours'}`,
    {
      object: `udp/${port}`,
      next: `find it with: ss -lunp sport = :${port}; ip -d link show type vxlan`,
    },
  );
}

async function socketsOn(port: number): Promise<Set<string>> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const inodes = new Set<string>();
  for (const file of ['/proc/self/net/udp', '/proc/self/net/udp6']) {
    const text = await readFile(file, 'utf8').catch(() => '');
    for (const line of text.split('\n').slice(1)) {
      const columns = line.trim().split(/\s+/);
      if (columns[1]?.endsWith(suffix)) inodes.add(columns[INODE_COLUMN] ?? '');
    }
  }
  return inodes;
}

/** "NAME (pid N)"; processes that end while we look, or that we may not look into, are passed over. */
async function processWith(inodes: Set<string>): Promise<string | undefined> {
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
    for (const descriptor of descriptors) {
      const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '');
      const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
      if (inode === undefined || !inodes.has(inode)) continue;
      const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => 'a process');
      return `${name.trim()} (pid ${pid})`;
    }
  }
  return undefined;
}
