/**
 * What Docker's plugin protocol has in common: JSON written by Go. There `null` and a missing key are the zero value,
 * keys nobody knows are ignored, and an empty list is as often left out.
 */
import { z } from 'zod';
import { WeftError } from '../../model/errors.ts';
import type { EngineControl } from '../../control/engines/port.ts';
import type { CallContext } from '../../control/port.ts';

export interface MethodCall {
  /** the request's body as it came; '' where Docker sent none */
  body: string;
  control: EngineControl;
  context: CallContext;
}

/** One method of a plugin interface: answers with the object that goes over the wire. */
export type Method = (call: MethodCall) => Promise<object>;

/** "NetworkDriver.Join" and the like, to what answers it. */
export type Methods = Record<string, Method>;

export const text = z
  .string()
  .nullish()
  .transform((value) => value ?? '');

export const flag = z
  .boolean()
  .nullish()
  .transform((value) => value ?? false);

/** 64 hex digits, or 25 of base 32 from swarm. It becomes part of a key in the store, hence the strict alphabet. */
export const engineId = z.string().regex(/^[0-9A-Za-z]{1,64}$/, 'is not an id of Docker');

export function listOf<T extends z.ZodType>(item: T) {
  return z
    .array(item)
    .nullish()
    .transform((value) => value ?? []);
}

export function mapOf<T extends z.ZodType>(value: T) {
  return z
    .record(z.string(), value)
    .nullish()
    .transform((map) => map ?? {});
}

/** A method with a body. An empty one is an error, never a request full of defaults: see `parseBody`. */
export function method<T extends z.ZodType>(
  schema: T,
  answer: (request: z.output<T>, control: EngineControl, context: CallContext) => Promise<object>,
): Method {
  return async ({ body, control, context }) => answer(parseBody(schema, body), control, context);
}

/** A method whose answer is the same whatever is asked. */
export function constant(reply: object): Method {
  return () => Promise.resolve(reply);
}

/**
 * Docker's client retries a call whose connection broke with a reader that is already consumed: the second request has
 * no body. Success would then be the creation of nothing.
 */
function parseBody<T extends z.ZodType>(schema: T, body: string): z.output<T> {
  if (body.trim() === '') throw malformed('the request has no body');
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch (cause) {
    throw malformed('the body is not JSON', cause);
  }
  return checked(schema, json, '');
}

/** `path` names what `value` was taken from, '' for the whole body. */
export function checked<T extends z.ZodType>(schema: T, value: unknown, path: string): z.output<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = [path, ...(issue?.path ?? [])].filter((part) => part !== '').join('.');
  throw malformed(`${where || 'body'}: ${issue?.message ?? 'malformed'}`);
}

/** Docker itself refuses drivers of the old kind in swarm; an allocator that asks all the same is told why. */
export function swarmUnsupported(): WeftError {
  return new WeftError('not-supported', 'networks of swarm scope cannot be made with weft yet', {
    next: 'create the network on each host, without --scope swarm',
  });
}

function malformed(message: string, cause?: unknown): WeftError {
  return new WeftError('invalid-argument', message, {
    next: 'repeat the command; if it fails again, see the log of weftd',
    cause,
  });
}
