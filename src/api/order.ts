/**
 * Answers with their keys in the order of the .proto, which is the order people and tests read: proto-loader puts lists
 * and fields that did not travel first.
 */
import type { GrpcObject } from '@grpc/grpc-js';

interface Field {
  name: string;
  /** name of the message within its package, '' for scalars */
  typeName: string;
}

/** Names of messages in the package whose `fields` are looked up: maps' entries are not among them, and stay as they are. */
export function inOrder(messages: GrpcObject, type: string, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => inOrder(messages, type, item));
  const fields = fieldsOf(messages, type);
  if (!fields || typeof value !== 'object' || value === null) return value;
  const given = value as Record<string, unknown>;
  const known = fields.filter(({ name }) => Object.hasOwn(given, name));
  return Object.fromEntries(known.map(({ name, typeName }) => [name, inOrder(messages, typeName, given[name])]));
}

function fieldsOf(messages: GrpcObject, type: string): Field[] | undefined {
  const message = Object.hasOwn(messages, type) ? messages[type] : undefined;
  const descriptor = (message as { type?: { field?: Field[] } } | undefined)?.type;
  return descriptor?.field;
}
