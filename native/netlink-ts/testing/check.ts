/** A request held against what a test expects of it. */
import { flagNames, typeName } from '../wire/names.ts';
import type { FakeRequest } from './replies.ts';

export interface ExpectedRequest {
  type?: number;
  /** all of them must be there; others may */
  flags?: number;
  payload?: Buffer;
}

/** Throws an Error that names what differs; from a handler it reaches whoever made the request. */
export function checkRequest(request: FakeRequest, expected: ExpectedRequest): void {
  const name = typeName(request.protocol, request.type);
  const { type, flags = 0, payload } = expected;
  if (type !== undefined && type !== request.type) {
    throw new Error(`fake kernel: ${typeName(request.protocol, type)} was expected, ${name} came`);
  }
  if ((request.flags & flags) !== flags) {
    const [came, wanted] = [flagNames(name, request.flags), flagNames(name, flags)];
    throw new Error(`fake kernel: ${name} was expected with ${wanted}, it came with ${came}`);
  }
  if (payload && !payload.equals(request.payload)) {
    const [came, wanted] = [request.payload.toString('hex'), payload.toString('hex')];
    throw new Error(`fake kernel: ${name} was expected with the payload ${wanted}, it came with ${came}`);
  }
}
