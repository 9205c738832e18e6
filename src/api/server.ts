/** weft.v1 on a unix socket that only root can open. Translation only: one call of control for each method. */
import { lstat, mkdir, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { dirname } from 'node:path';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { sendUnaryData, ServerUnaryCall, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import type { CallContext, Control } from '../control/port.ts';
import { toWeftError, WeftError } from '../model/errors.ts';
import { loadApi, MESSAGE_LIMIT } from './definition.ts';
import type { MethodName } from './definition.ts';
import { toServiceError } from './errors.ts';
import { handlers } from './handlers.ts';
import { parseRequest } from './requests.ts';

export interface ApiServerOptions {
  socketPath: string;
  control: Control;
  nodeName: string;
  log: Logger;
}

type Work = (request: unknown, context: CallContext) => Promise<unknown>;

/** Calls in progress get this long when the server is closed. */
const DRAIN = 3_000;

/** Throws `already-running` when somebody answers on the socket, `configuration-invalid` when it is no socket. */
export async function startApiServer(options: ApiServerOptions): Promise<{ close(): Promise<void> }> {
  const { socketPath } = options;
  await mkdir(dirname(socketPath), { recursive: true, mode: 0o755 });
  await removeStale(socketPath);
  const server = new Server({
    'grpc.max_receive_message_length': MESSAGE_LIMIT,
    'grpc.max_send_message_length': MESSAGE_LIMIT,
  });
  server.addService(loadApi().Weft.service, implement(options));
  await bindPrivately(server, socketPath);
  return {
    close: async () => {
      await drain(server);
      await rm(socketPath, { force: true });
    },
  };
}

function implement(options: ApiServerOptions): UntypedServiceImplementation {
  const implementation: UntypedServiceImplementation = {};
  for (const [method, handle] of Object.entries(handlers(options.control))) {
    implementation[method] = (call: ServerUnaryCall<unknown, unknown>, reply: sendUnaryData<unknown>) => {
      const work = handle as Work;
      void answer(options, { method: method as MethodName, work }, call, reply);
    };
  }
  return implementation;
}

async function answer(
  options: ApiServerOptions,
  { method, work }: { method: MethodName; work: Work },
  call: ServerUnaryCall<unknown, unknown>,
  reply: sendUnaryData<unknown>,
): Promise<void> {
  const gone = new AbortController();
  call.on('cancelled', () => gone.abort());
  try {
    reply(null, await work(parseRequest(method, call.request), { signal: gone.signal }));
  } catch (error) {
    const failure = toWeftError(error);
    if (failure.code === 'internal') options.log.error({ err: error, method }, 'a call failed by a fault of weft');
    reply(toServiceError(failure, options.nodeName));
  }
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

async function drain(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => {
      server.forceShutdown();
      resolve();
    }, DRAIN);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
