/** weft.v1 as grpc-js wants it: requests checked, failures as reports, streams no faster than they are read. */
import { once } from 'node:events';
import type { sendUnaryData, ServerUnaryCall, ServerWritableStream, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import type { CallContext, Control } from '../control/port.ts';
import { toWeftError } from '../model/errors.ts';
import type { MethodName, StreamName } from './definition.ts';
import { serviceErrors } from './errors.ts';
import { handlers, streamHandlers } from './handlers.ts';
import { parseRequest, parseStreamRequest } from './requests.ts';

export interface ImplementOptions {
  control: Control;
  nodeName: string;
  log: Logger;
}

type Work = (request: unknown, context: CallContext) => Promise<unknown>;

/** `closing` ends streams, which have no end of their own. */
export function implement(
  { control, nodeName, log }: ImplementOptions,
  closing: AbortSignal,
): UntypedServiceImplementation {
  const implementation: UntypedServiceImplementation = {};
  const toServiceError = serviceErrors(nodeName);
  const failed = (error: unknown, method: string) => {
    const failure = toWeftError(error);
    if (failure.code === 'internal') log.error({ err: error, method }, 'a call failed by a fault of weft');
    return toServiceError(failure);
  };
  for (const [name, handle] of Object.entries(handlers(control))) {
    const work = handle as Work;
    implementation[name] = (call: ServerUnaryCall<unknown, unknown>, reply: sendUnaryData<unknown>) => {
      const signal = endOf(call);
      const done = async () => work(parseRequest(name as MethodName, call.request), { signal });
      done().then(
        (response) => reply(null, response),
        (error: unknown) => reply(failed(error, name)),
      );
    };
  }
  for (const [name, handle] of Object.entries(streamHandlers(control))) {
    implementation[name] = (call: ServerWritableStream<unknown, unknown>) => {
      const signal = AbortSignal.any([endOf(call), closing]);
      const done = async () => {
        for await (const item of handle(parseStreamRequest(name as StreamName, call.request), signal)) {
          await written(call, item, signal);
        }
      };
      done().then(
        () => call.end(),
        (error: unknown) => call.emit('error', failed(error, name)),
      );
    };
  }
  return implementation;
}

/** Aborted when the client is gone. */
function endOf(call: { on(event: 'cancelled', listener: () => void): unknown }): AbortSignal {
  const gone = new AbortController();
  call.on('cancelled', () => gone.abort());
  return gone.signal;
}

/** Waits while the client does not read. */
async function written(
  call: ServerWritableStream<unknown, unknown>,
  item: unknown,
  signal: AbortSignal,
): Promise<void> {
  if (call.write(item)) return;
  await once(call, 'drain', { signal }).catch(() => undefined);
}
