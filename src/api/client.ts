/**
 * A typed client of weft.v1. Failures are the daemon's own WeftErrors; `daemon-away` when nobody answers; the signal's
 * own reason when the caller gave up.
 */
import { credentials } from '@grpc/grpc-js';
import type { Client, ServiceClientConstructor, ServiceError } from '@grpc/grpc-js';
import { loadApi, MESSAGE_LIMIT } from './definition.ts';
import type { MethodName, Methods } from './definition.ts';
import { fromServiceError } from './errors.ts';
import { inOrder } from './order.ts';
import { DEFAULT_SOCKET } from './socket.ts';

const DEADLINE = 10_000;

export interface ClientOptions {
  socketPath?: string;
  /** milliseconds for each call */
  deadline?: number;
}

export interface WeftClient {
  call<M extends MethodName>(
    method: M,
    request: Methods[M]['request'],
    options?: { signal?: AbortSignal },
  ): Promise<Methods[M]['response']>;
  close(): void;
}

type Invoke = (
  request: unknown,
  options: { deadline: number },
  reply: (error: ServiceError | null, response: unknown) => void,
) => { cancel(): void };

export function connect(options: ClientOptions = {}): WeftClient {
  const socketPath = options.socketPath ?? DEFAULT_SOCKET;
  const { Weft, messages } = loadApi();
  const client: Client = new Weft(`unix:${socketPath}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': MESSAGE_LIMIT,
    // Without it a proxy of the environment would be asked for a unix socket.
    'grpc.enable_http_proxy': 0,
  });
  return {
    call: async (method, request, { signal } = {}) => {
      signal?.throwIfAborted();
      return await new Promise((resolve, reject) => {
        const invoke = (client as unknown as Record<string, Invoke>)[method];
        if (!invoke) throw new TypeError(`no method ${method}`);
        const deadline = Date.now() + (options.deadline ?? DEADLINE);
        const call = invoke.call(client, request, { deadline }, (error, response) => {
          signal?.removeEventListener('abort', cancel);
          if (signal?.aborted) reject(reasonOf(signal));
          else if (error) reject(fromServiceError(error, socketPath));
          else resolve(inOrder(messages, answerOf(Weft, method), response) as Methods[typeof method]['response']);
        });
        const cancel = () => call.cancel();
        signal?.addEventListener('abort', cancel, { once: true });
      });
    },
    close: () => client.close(),
  };
}

/** The name of the message that a method answers with. */
function answerOf(service: ServiceClientConstructor, method: MethodName): string {
  const { responseType } = service.service[method] as unknown as { responseType: { type: { name: string } } };
  return responseType.type.name;
}

function reasonOf(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new DOMException(String(signal.reason), 'AbortError');
}
