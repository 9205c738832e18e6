/** weft.v1 as grpc-js wants it: requests checked, failures as reports, streams no faster than they are read. */
import { once } from 'node:events';
import type {
  sendUnaryData,
  Server,
  ServerUnaryCall,
  ServerWritableStream,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import type { Logger } from 'pino';
import type { CallContext, Control } from '../control/port.ts';
import { toWeftError } from '../model/errors.ts';
import { HANDLER_DEADLINE } from '../model/limits.ts';
import type { Timings } from '../model/timings.ts';
import { loadApi } from './definition.ts';
import type { Api, MethodName, StreamName } from './definition.ts';
import { serviceErrors } from './errors.ts';
import { handlers, streamHandlers } from './handlers.ts';
import { peerOf } from './peers.ts';
import type { IdentifyNode } from './peers.ts';
import { parseRequest, parseStreamRequest } from './requests.ts';
import { readable, takingAnything } from './unreadable.ts';

export interface ImplementOptions {
  /** shared with other servers */
  served?: ServedApi;
  control: Control;
  nodeName: string;
  log: Logger;
  timings?: Timings;
  /** over TCP: who calls */
  identify?: IdentifyNode;
}

/** ms: also of a caller that waits for ever */
const MOST_PATIENCE = 60_000;
/** ms, for undoing what did not succeed and for the answer */
const WAY_BACK = 1_000;

type Work = (request: unknown, context: CallContext) => Promise<unknown>;

/** What every server serves. Its index for reflection takes some 80 ms of a processor to make. */
export interface ServedApi {
  Weft: Api['Weft'];
  reflection: ReflectionService;
}

export function serveApi({ Weft, definition }: Api): ServedApi {
  return { Weft, reflection: new ReflectionService(definition) };
}

/** weft.v1, with reflection and health beside it. `closing` ends streams, which have no end of their own. */
export function addServices(server: Server, options: ImplementOptions, closing: AbortSignal): void {
  const { Weft, reflection } = options.served ?? serveApi(loadApi());
  server.addService(takingAnything(Weft.service), implement(options, closing));
  reflection.addToServer(server);
  new HealthImplementation({ '': 'SERVING', 'weft.v1.Weft': 'SERVING' }).addToServer(server);
}

function implement(
  { control, nodeName, log, identify, timings }: ImplementOptions,
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
      const peer = identify && { peer: peerOf(call, identify) };
      const context = { signal, patience: patienceOf(call), ...peer };
      const done = async () => work(parseRequest(name as MethodName, readable(call.request, name)), context);
      const began = performance.now();
      const told = () => timings?.call(name, performance.now() - began);
      done()
        .finally(told)
        .then(
          (response) => reply(null, response),
          (error: unknown) => reply(failed(error, name)),
        );
    };
  }
  for (const [name, handle] of Object.entries(streamHandlers(control))) {
    implementation[name] = (call: ServerWritableStream<unknown, unknown>) => {
      const signal = AbortSignal.any([endOf(call), closing]);
      const done = async () => {
        const request = parseStreamRequest(name as StreamName, readable(call.request, name));
        for await (const item of handle(request, signal)) {
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

/** What the caller's deadline leaves, but for the way back: a hundred containers that start at once take their time. */
function patienceOf(call: { getDeadline(): Date | number }): number {
  const left = Number(call.getDeadline()) - Date.now() - WAY_BACK;
  return Math.min(Math.max(left, HANDLER_DEADLINE), MOST_PATIENCE);
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
