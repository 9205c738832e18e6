/** The place in the file system where Docker finds a plugin. */
import { chmod, mkdir, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { WeftError } from '../../model/errors.ts';

const PROBE_DEADLINE = 1_000;

/** Makes way for a socket at `path`: removes one that a dead daemon left, refuses where somebody listens. */
export async function clearSocket(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  if (await listening(path)) {
    throw new WeftError('already-running', `another process listens on ${path}`, { object: path });
  }
  await removeSocket(path);
}

export async function restrictSocket(path: string): Promise<void> {
  await chmod(path, 0o600);
}

export async function removeSocket(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

/** A listener that does not accept in time is one all the same: its queue is full, or it is stopped. */
function listening(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.setTimeout(PROBE_DEADLINE);
    const done = (alive: boolean) => {
      socket.destroy();
      resolve(alive);
    };
    socket.once('connect', () => done(true));
    socket.once('timeout', () => done(true));
    socket.once('error', (error) => {
      const code = codeOf(error);
      if (code === 'ENOENT' || code === 'ECONNREFUSED') return done(false);
      if (code === 'EAGAIN') return done(true);
      socket.destroy();
      reject(error);
    });
  });
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
