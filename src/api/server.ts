/** weft.v1 on a unix socket that only root can open. Translation only: one call of control for each method. */
import { lstat, mkdir, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { dirname } from 'node:path';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { WeftError } from '../model/errors.ts';
import { MESSAGE_LIMIT } from './definition.ts';
import { drain } from './drain.ts';
import { addServices } from './implementation.ts';
import type { ImplementOptions } from './implementation.ts';

export interface ApiServerOptions extends Omit<ImplementOptions, 'identify'> {
  socketPath: string;
}

/** Throws `already-running` when somebody answers on the socket, `configuration-invalid` when it is no socket. */
export async function startApiServer(options: ApiServerOptions): Promise<{ close(): Promise<void> }> {
  const { socketPath } = options;
  await mkdir(dirname(socketPath), { recursive: true, mode: 0o755 });
  await removeStale(socketPath);
  const server = new Server({
    'grpc.max_receive_message_length': MESSAGE_LIMIT,
    'grpc.max_send_message_length': MESSAGE_LIMIT,
  });
  const closing = new AbortController();
  addServices(server, options, closing.signal);
  await bindPrivately(server, socketPath);
  return {
    close: async () => {
      closing.abort();
      await drain(server);
      await rm(socketPath, { force: true });
    },
  };
}

/**
 * The mode is set while the file is made, by the umask: there is no moment in which others could connect. Mode 0600 of
 * root is also the check of the peer's uid, which Node cannot ask the kernel for.
 */
async function bindPrivately(server: Server, socketPath: string): Promise<void> {
  const before = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix:${socketPath}`, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      );
    });
  } finally {
    process.umask(before);
  }
}

/** Removes the socket of a daemon that was killed. One that answers is another daemon's, a file is nobody's to remove. */
async function removeStale(socketPath: string): Promise<void> {
  const found = await lstat(socketPath).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
  if (!found) return;
  if (!found.isSocket()) {
    throw new WeftError('configuration-invalid', `${socketPath} exists and is no socket`, { object: socketPath });
  }
  // Only a refusal says that nobody listens: a daemon whose backlog is full answers EAGAIN.
  const dead = await new Promise<boolean>((resolve) => {
    const probe = createConnection(socketPath);
    probe.once('connect', () => {
      probe.destroy();
      resolve(false);
    });
    probe.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED' || code === 'ENOENT'));
  });
  if (!dead) throw new WeftError('already-running', `another weftd answers at ${socketPath}`, { object: socketPath });
  await rm(socketPath, { force: true });
}
