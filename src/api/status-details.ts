/**
 * The standard form of an error's details, which clients of every language can read: google.rpc.Status with an ErrorInfo
 * whose reason is the stable code, and a BadRequest where a field is at fault.
 */
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import type { ErrorReport } from '../model/errors.ts';

export const DETAILS_TRAILER = 'grpc-status-details-bin';
export const ERROR_DOMAIN = 'weft';
const TYPE_PREFIX = 'type.googleapis.com/';

export type EncodeDetails = (status: number, report: ErrorReport) => Buffer;

/** Reads the definitions once; what it returns has no effects. */
export function detailsEncoder(): EncodeDetails {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) =>
    target.startsWith('google/protobuf/') ? target : fileURLToPath(new URL(`proto/${target}`, import.meta.url));
  root.loadSync(['google/rpc/status.proto', 'google/rpc/error_details.proto']);
  const any = (name: string, fields: Record<string, unknown>) => ({
    type_url: `${TYPE_PREFIX}${name}`,
    value: encode(root, name, fields),
  });
  return (code, report) => {
    const { code: reason, message, object, host, cause, next } = report;
    const metadata = { object, host, cause, next };
    const info = { reason: reason.toUpperCase().replaceAll('-', '_'), domain: ERROR_DOMAIN, metadata };
    const field = reason === 'invalid-argument' ? /^([\w.[\]"/-]+): (.*)$/s.exec(message) : null;
    const violations = field ? [{ field: field[1] ?? '', description: field[2] ?? '' }] : [];
    const details = [any('google.rpc.ErrorInfo', info)];
    if (field) details.push(any('google.rpc.BadRequest', { fieldViolations: violations }));
    return Buffer.from(encode(root, 'google.rpc.Status', { code, message, details }));
  };
}

function encode(root: protobuf.Root, name: string, fields: Record<string, unknown>): Uint8Array {
  const type = root.lookupType(name);
  return type.encode(type.fromObject(fields)).finish();
}
