/** Whether the overlay's UDP port is free, or held by vxlan devices of ours alone. */
import { WeftError } from '../model/errors.ts';
import { textOf } from './host-facts/files.ts';
import { processWith, socketLines } from './port-holder.ts';

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
  const tables = await Promise.all(['udp', 'udp6'].map((table) => textOf(`/proc/net/${table}`)));
  const sockets = tables.flatMap(socketLines).filter((one) => one.port === port);
  return new Set(sockets.map(({ inode }) => inode));
}
