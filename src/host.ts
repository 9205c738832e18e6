/** Facts of the host that the daemon starts from. */
import { readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { WeftError } from './model/errors.ts';

/** New at each start of the kernel. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/**
 * A namespace file bound in a mount namespace of weftd's own would be invisible to everybody else and vanish with weftd.
 * Throws `wrong-namespace`; says nothing where pid 1 cannot be looked at.
 */
export function assertMountNamespace(): void {
  const own = readlinkSync('/proc/self/ns/mnt');
  let first: string;
  try {
    first = readlinkSync('/proc/1/ns/mnt');
  } catch {
    return;
  }
  if (own !== first) throw new WeftError('wrong-namespace', `mount namespace ${own} is not ${first} of pid 1`);
}

/**
 * One weftd a host: an abstract socket, which the kernel frees with the process whatever becomes of it. The name carries
 * the run directory, so that a second daemon with directories of its own is only told apart, not fought.
 */
export async function lockHost(run: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new WeftError('already-running', `another weftd holds ${run}`, { object: run, cause })),
    );
    server.listen(`\0weftd:${run}`, resolve);
  });
  server.unref();
  return server;
}

/** Of this installation; '' where there is none. */
export function machineId(): string {
  try {
    return readFileSync('/etc/machine-id', 'utf8').trim();
  } catch {
    return '';
  }
}
