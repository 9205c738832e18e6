/**
 * Requests that are no message. grpc-js would answer them with INTERNAL, "Error deserializing request", as if the fault
 * were the server's; here they reach their method as what they are, and are refused like any other wrong request.
 */
import type { ServiceDefinition } from '@grpc/grpc-js';
import { WeftError } from '../model/errors.ts';

class Unreadable {
  readonly cause: unknown;

  constructor(cause: unknown) {
    this.cause = cause;
  }
}

/** The service with decoders that never throw. Each request is to be asked for by `readable`. */
export function takingAnything(service: ServiceDefinition): ServiceDefinition {
  const methods = Object.entries(service).map(([name, method]) => {
    const requestDeserialize = (bytes: Buffer): unknown => {
      try {
        return method.requestDeserialize(bytes);
      } catch (error) {
        return new Unreadable(error);
      }
    };
    return [name, { ...method, requestDeserialize }] as const;
  });
  return Object.fromEntries(methods);
}

/** Throws `invalid-argument` for what no decoder could read. */
export function readable(request: unknown, method: string): unknown {
  if (!(request instanceof Unreadable)) return request;
  throw new WeftError('invalid-argument', `the request is not a message that ${method} takes`, {
    object: method,
    cause: request.cause,
    next: 'encode it by the definitions that the server tells by reflection',
  });
}
