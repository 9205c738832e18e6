/** Facts of the host that the daemon starts from. */
import { readFileSync, readlinkSync } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { tryLock } from './kernel/file-lock.ts';
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
async function lockHost(run: string): Promise<Server> {
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

/**
 * One weftd a state directory, whatever its run directory is called and whatever namespaces it is in: two would write one
 * journal. The file stays; the kernel frees the lock with the process. Throws `already-running`.
 */
async function lockState(state: string, run: string): Promise<FileHandle> {
  await mkdir(state, { recursive: true, mode: 0o700 });
  const path = `${state}/lock`;
  const file = await open(path, 'a+', 0o600);
  try {
    if (!tryLock(file)) {
      const holder = (await file.readFile('utf8')).trim().slice(0, 200);
      throw new WeftError('already-running', `another weftd uses ${state}${holder && ` (${holder})`}`, {
        object: state,
      });
    }
    await file.truncate();
    await file.write(`pid ${process.pid}, ${run}\n`);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Both locks, for what may be done only while weftd does not run. Throws `already-running`. */
export async function lockStopped({ run, state }: { run: string; state: string }): Promise<{ close(): Promise<void> }> {
  const host = await lockHost(run);
  try {
    const held = await lockState(state, run);
    return {
      close: async () => {
        host.close();
        await held.close();
      },
    };
  } catch (error) {
    host.close();
    throw error;
  }
}

/** Of this installation; '' where there is none. */
export function machineId(): string {
  try {
    return readFileSync('/etc/machine-id', 'utf8').trim();
  } catch {
    return '';
  }
}
