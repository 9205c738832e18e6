/**
 * A typed client of weft.v1. Failures are the daemon's own WeftErrors; `daemon-away` when nobody answers; the signal's
 * own reason when the caller gave up.
 */
import { credentials } from '@grpc/grpc-js';
import type {
  ChannelCredentials,
  Client,
  ClientReadableStream,
  ServiceClientConstructor,
  ServiceError,
} from '@grpc/grpc-js';
import { loadApi, MESSAGE_LIMIT } from './definition.ts';
import type { Api, MethodName, Methods, StreamName, Streams } from './definition.ts';
import { fromServiceError } from './errors.ts';
import { inOrder } from './order.ts';
import { DEFAULT_SOCKET } from './socket.ts';

const DEADLINE = 10_000;
/** between tries to connect: by itself grpc-js waits for up to two minutes, and fails every call for as long */
const RECONNECT_FIRST = 100;
const RECONNECT_MOST = 1_000;

export interface ClientOptions {
  socketPath?: string;
  /** another host's weftd instead, over TLS */
  remote?: { address: string; credentials: ChannelCredentials };
  /** milliseconds for each call */
  deadline?: number;
  /** shared with other clients */
  api?: Api;
}

export interface CallOptions {
  signal?: AbortSignal;
  /** milliseconds, in place of the client's */
  deadline?: number;
}

export interface WeftClient {
  call<M extends MethodName>(
    method: M,
    request: Methods[M]['request'],
    options?: CallOptions,
  ): Promise<Methods[M]['response']>;
  /** Items until the signal, which ends it without an error, or until the daemon ends it, which is one. */
  stream<M extends StreamName>(
    method: M,
    request: Streams[M]['request'],
    signal: AbortSignal,
  ): AsyncIterable<Streams[M]['response']>;
  close(): void;
}

type Open = (request: unknown) => ClientReadableStream<unknown>;

type Invoke = (
  request: unknown,
  options: { deadline: number },
  reply: (error: ServiceError | null, response: unknown) => void,
) => { cancel(): void };

export function connect(options: ClientOptions = {}): WeftClient {
  const socketPath = options.socketPath ?? DEFAULT_SOCKET;
  const { Weft, messages } = options.api ?? loadApi();
  const { remote } = options;
  const where = remote?.address ?? socketPath;
  const target = remote?.address ?? `unix:${socketPath}`;
  const client: Client = new Weft(target, remote?.credentials ?? credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
    // Nodes are told by the id in their certificate; an address is no name to send (RFC 6066).
    ...(remote ? { 'grpc.ssl_target_name_override': 'node.weft' } : {}),
    'grpc.max_receive_message_length': MESSAGE_LIMIT,
    'grpc.initial_reconnect_backoff_ms': RECONNECT_FIRST,
    'grpc.max_reconnect_backoff_ms': RECONNECT_MOST,
    // Without it a proxy of the environment would be asked for a unix socket.
    'grpc.enable_http_proxy': 0,
  });
  return {
    call: async (method, request, { signal, deadline: most } = {}) => {
      signal?.throwIfAborted();
      return await new Promise((resolve, reject) => {
        const invoke = (client as unknown as Record<string, Invoke>)[method];
        if (!invoke) throw new TypeError(`no method ${method}`);
        const deadline = Date.now() + (most ?? options.deadline ?? DEADLINE);
        const call = invoke.call(client, request, { deadline }, (error, response) => {
          signal?.removeEventListener('abort', cancel);
          if (signal?.aborted) reject(reasonOf(signal));
          else if (error) reject(fromServiceError(error, where));
          else resolve(inOrder(messages, answerOf(Weft, method), response) as Methods[typeof method]['response']);
        });
        const cancel = () => call.cancel();
        signal?.addEventListener('abort', cancel, { once: true });
      });
    },
    stream: async function* <M extends StreamName>(
      method: M,
      request: Streams[M]['request'],
      signal: AbortSignal,
    ): AsyncIterable<Streams[M]['response']> {
      const open = (client as unknown as Record<string, Open>)[method];
      if (!open) throw new TypeError(`no method ${method}`);
      const call = open.call(client, request);
      const cancel = () => call.cancel();
      signal.addEventListener('abort', cancel, { once: true });
      if (signal.aborted) cancel();
      try {
        for await (const item of call) {
          yield present(inOrder(messages, answerOf(Weft, method), item)) as Streams[M]['response'];
        }
      } catch (error) {
        if (!signal.aborted) throw fromServiceError(error as ServiceError, where);
      } finally {
        signal.removeEventListener('abort', cancel);
        call.cancel();
      }
    },
    close: () => client.close(),
  };
}

/** An event has one of several objects; the others travel as null. */
function present(item: unknown): unknown {
  return Object.fromEntries(Object.entries(item as object).filter(([, value]) => value !== null));
}

/** The name of the message that a method answers with. */
function answerOf(service: ServiceClientConstructor, method: MethodName | StreamName): string {
  const { responseType } = service.service[method] as unknown as { responseType: { type: { name: string } } };
  return responseType.type.name;
}

function reasonOf(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new DOMException(String(signal.reason), 'AbortError');
}
