/**
 * The plugin socket: Docker's legacy ("v1") plugin protocol for networks and addresses, over HTTP on a unix socket.
 *
 * What Docker's client really sends decides the odd things here: no content type, an empty Host, bodies of no length,
 * and connections it takes from a pool that a server which closes idle ones would race.
 */
import { setMaxListeners } from 'node:events';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import fastify from 'fastify';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Logger } from 'pino';
import type { AtFailpoint } from '../../control/failpoints.ts';
import { FAILPOINTS } from '../../control/failpoints.ts';
import type { EngineControl } from '../../control/engines/port.ts';
import { ERRORS, WeftError, toWeftError } from '../../model/errors.ts';
import { HANDLER_DEADLINE } from '../../model/limits.ts';
import type { Timings } from '../../model/timings.ts';
import { ipamDriver } from './ipam-driver.ts';
import { networkDriver } from './network-driver.ts';
import { clearSocket, removeSocket, restrictSocket } from './socket.ts';
import { constant } from './wire.ts';
import type { Method, Methods } from './wire.ts';

const CONTENT_TYPE = 'application/vnd.docker.plugins.v1.1+json';
const BODY_LIMIT = 1024 * 1024;
/** for a request to arrive whole, in milliseconds */
const ARRIVAL_DEADLINE = 10_000;
const LATENESS_CHECK = 1_000;
/** in milliseconds: use cases keep the same deadline, and their error, a moment later, names what they waited for */
const LAST_WORD = 250;

export interface DockerPluginOptions {
  /** Docker looks in /run/docker/plugins for NAME.sock; NAME is what users give with -d */
  socketPath: string;
  /** a listening socket that the service manager opened at that path, which is then its to remove */
  descriptor?: number | undefined;
  control: EngineControl;
  nodeName: string;
  log: Logger;
  /** ends the calls in flight */
  signal: AbortSignal;
  /** of one call, in milliseconds */
  deadline?: number;
  timings?: Timings;
  at?: AtFailpoint | undefined;
}

const plugin: Methods = {
  'Plugin.Activate': constant({ Implements: ['NetworkDriver', 'IpamDriver'] }),
  ...networkDriver,
  ...ipamDriver,
};

/** Returns when Docker can call. `close` waits for the calls in flight and takes the socket away. */
export async function startDockerPlugin(options: DockerPluginOptions): Promise<{ close(): Promise<void> }> {
  const { descriptor } = options;
  if (descriptor === undefined) await clearSocket(options.socketPath);
  // one listener for each call in flight, of which Docker bounds the number
  setMaxListeners(0, options.signal);
  const app = createApp(options);
  for (const [name, method] of Object.entries(plugin)) addMethod(app, options, name, method);
  if (descriptor === undefined) {
    await app.listen({ path: options.socketPath });
    await restrictSocket(options.socketPath);
  } else {
    await app.ready();
    await listenOn(app.server, descriptor);
  }
  options.log.info({ socket: options.socketPath }, 'serving Docker');
  return {
    close: async () => {
      await app.close();
      if (descriptor === undefined) await removeSocket(options.socketPath);
    },
  };
}

async function listenOn(server: Server, descriptor: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ fd: descriptor }, resolve);
  });
}

const noCompiler = () => () => {
  throw new TypeError('no route has a schema');
};

function createApp({ nodeName, log }: DockerPluginOptions): FastifyInstance {
  const misunderstood = (error: unknown, method: string, reply: FastifyReply): FastifyReply => {
    log.warn({ err: error, method }, 'call of Docker not understood');
    const refused = new WeftError('invalid-argument', error instanceof Error ? error.message : 'unreadable request');
    return sendError(reply.status(500), refused, nodeName);
  };
  const app = fastify({
    bodyLimit: BODY_LIMIT,
    // No route has a schema, and loading their compilers takes a tenth of a second of every start.
    schemaController: { compilersFactory: { buildValidator: noCompiler, buildSerializer: noCompiler } },
    requestTimeout: ARRIVAL_DEADLINE,
    forceCloseConnections: 'idle',
    http: {
      // Node looks for requests that are late at this interval only, 30 s unless told.
      connectionsCheckingInterval: LATENESS_CHECK,
      headersTimeout: ARRIVAL_DEADLINE,
      requireHostHeader: false,
    },
    // Not even a URL: no hook and no handler of the application sees such a request.
    frameworkErrors: (error, request, reply) => {
      dress(reply);
      misunderstood(error, request.url.slice(1, 80), reply);
    },
    clientErrorHandler: (error, socket) => refuseGarbage(error, socket, nodeName),
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  app.addHook('onSend', async (_request, reply) => {
    dress(reply);
  });
  app.setNotFoundHandler((request, reply) => {
    const error = new WeftError('not-supported', `weft has no method ${request.url.slice(1, 80)}`);
    return sendError(reply.status(404), error, nodeName);
  });
  app.setErrorHandler((error, request, reply) => misunderstood(error, request.url.slice(1, 80), reply));
  return app;
}

/** Go may send the next call on a connection as we close it; its retry then comes without a body. */
function dress(reply: FastifyReply): void {
  reply.header('connection', 'close').header('content-type', CONTENT_TYPE);
}

/** What is no HTTP request, or did not arrive whole in time, has no reply object yet: the answer is written by hand. */
function refuseGarbage(error: Error & { code?: string }, socket: Socket, nodeName: string): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const late = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  const why = late
    ? `the request did not arrive within ${ARRIVAL_DEADLINE} ms`
    : `not an HTTP request: ${error.message}`;
  const body = errorBody(new WeftError('invalid-argument', why), nodeName);
  const head = [
    `HTTP/1.1 ${late ? '408 Request Timeout' : '400 Bad Request'}`,
    `Content-Type: ${CONTENT_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  // Whoever does not read the refusal is not waited for.
  socket.setTimeout(ARRIVAL_DEADLINE, () => socket.destroy());
}

function addMethod(app: FastifyInstance, options: DockerPluginOptions, name: string, method: Method): void {
  const { control, nodeName, signal, deadline = HANDLER_DEADLINE, at } = options;
  const failpoint = FAILPOINTS.find((step) => step === `docker.${name.split('.')[1]}`);
  app.post(`/${name}`, async (request, reply) => {
    const started = performance.now();
    const body = typeof request.body === 'string' ? request.body : '';
    try {
      if (at && failpoint) await at(failpoint);
      const limits = { name, deadline, signal };
      const answer = await within(limits, (context) => method({ body, control, context }));
      options.log.debug({ method: name, ms: Math.round(performance.now() - started) }, 'answered Docker');
      return await reply.send(JSON.stringify(answer));
    } catch (cause) {
      const error = toWeftError(cause);
      options.log.warn({ method: name, code: error.code, err: error }, 'refused Docker');
      return await sendError(reply, error, nodeName);
    } finally {
      options.timings?.call(name, performance.now() - started);
    }
  });
}

/**
 * Docker's client waits for ever, with locks of dockerd held: a call that does not end by its deadline is answered
 * then, even if what it waits for does not heed the signal.
 */
async function within<T>(
  { name, deadline, signal: outer }: { name: string; deadline: number; signal: AbortSignal },
  work: (context: { signal: AbortSignal }) => Promise<T>,
): Promise<T> {
  const inner = new AbortController();
  const stop = () => inner.abort(new WeftError('not-ready', 'weftd is ending', { next: 'repeat the command' }));
  if (outer.aborted) stop();
  outer.addEventListener('abort', stop, { once: true });
  const timer = setTimeout(() => {
    inner.abort(new WeftError('not-ready', `${name} did not finish within ${deadline} ms`));
  }, deadline + LAST_WORD);
  try {
    inner.signal.throwIfAborted();
    const aborted = new Promise<never>((_resolve, reject) => {
      inner.signal.addEventListener('abort', () => reject(toWeftError(inner.signal.reason)), { once: true });
    });
    return await Promise.race([work({ signal: inner.signal }), aborted]);
  } finally {
    clearTimeout(timer);
    outer.removeEventListener('abort', stop);
  }
}

/** The network side reads `Err`, the address side `Error`; either takes status 200 or the body of another one. */
function sendError(reply: FastifyReply, error: WeftError, nodeName: string): FastifyReply {
  return reply.send(errorBody(error, nodeName));
}

function errorBody(error: WeftError, nodeName: string): string {
  const report = error.toReport(nodeName);
  const where = report.object === '' ? report.host : `${report.object}, ${report.host}`;
  const message = `${report.message} (${where}; ${report.code}). Next: ${report.next || ERRORS[error.code].next}`;
  return JSON.stringify({ Err: message, Error: message });
}
