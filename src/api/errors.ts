/** WeftErrors over gRPC: a status by the kind of failure, and the whole report as JSON in a binary trailer. */
import { Metadata, status } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import { ERRORS, WeftError } from '../model/errors.ts';
import type { ErrorCode, ExitName } from '../model/errors.ts';
import { ERROR_TRAILER } from './definition.ts';
import { DETAILS_TRAILER, detailsEncoder } from './status-details.ts';

const STATUS: Record<ExitName, status> = {
  done: status.OK,
  failed: status.INTERNAL,
  usage: status.INVALID_ARGUMENT,
  notFound: status.NOT_FOUND,
  conflict: status.FAILED_PRECONDITION,
  denied: status.PERMISSION_DENIED,
  away: status.UNAVAILABLE,
  timeout: status.DEADLINE_EXCEEDED,
  findings: status.FAILED_PRECONDITION,
};

const REPORT = ['code', 'message', 'object', 'host', 'cause', 'next'] as const;

type Report = Record<(typeof REPORT)[number], string>;

export type ToServiceError = (error: WeftError) => Partial<ServiceError>;

/** Each report twice: for our own clients as it is, for all others in gRPC's standard form. */
export function serviceErrors(host: string): ToServiceError {
  const encode = detailsEncoder();
  return (error) => {
    const report = error.toReport(host);
    const code = STATUS[ERRORS[error.code].exit];
    const metadata = new Metadata();
    metadata.set(ERROR_TRAILER, Buffer.from(JSON.stringify(report)));
    metadata.set(DETAILS_TRAILER, encode(code, report));
    // half of a surrogate pair, left by a text that was cut, would make grpc-js throw instead of answer
    return { code, details: error.message.toWellFormed(), metadata };
  };
}

/** What stands for an error whose code is not known here: the same exit code where there is one. */
const ALIKE: ReadonlyMap<status, ErrorCode> = new Map<status, ErrorCode>([
  [status.INVALID_ARGUMENT, 'invalid-argument'],
  [status.FAILED_PRECONDITION, 'changed-meanwhile'],
  [status.PERMISSION_DENIED, 'not-allowed'],
  [status.UNAVAILABLE, 'peer-away'],
  [status.DEADLINE_EXCEEDED, 'not-ready'],
]);

function isKnown(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}

/** What a client throws: the report where there is one, else by gRPC's own status. */
export function fromServiceError(error: ServiceError, socket: string): WeftError {
  const report = reportOf(error);
  if (report) {
    const { code, message, object, host, cause, next } = report;
    const more = { object, host, next, ...(cause ? { cause } : {}) };
    if (isKnown(code)) return new WeftError(code, message, more);
    // of a later version, which has more of them
    return new WeftError(ALIKE.get(error.code) ?? 'internal', `${code}: ${message}`, more);
  }
  switch (error.code) {
    case status.UNAVAILABLE:
      return new WeftError('daemon-away', `weftd does not answer at ${socket}`, {
        object: socket,
        cause: connectFailure(error.details),
      });
    case status.DEADLINE_EXCEEDED:
      return new WeftError('not-ready', 'weftd did not answer in time', { object: socket });
    case status.UNIMPLEMENTED:
      return new WeftError('call-unknown', `weftd at ${socket} does not know the call`, { object: socket });
    case status.INVALID_ARGUMENT:
    case status.RESOURCE_EXHAUSTED:
      return new WeftError('invalid-argument', error.details);
    default:
      return new WeftError('internal', error.details || error.message);
  }
}

/** grpc-js wraps the system's words: "No connection established. Last error: Error: connect ENOENT ... ". */
function connectFailure(details: string): string {
  return /Last error: (?:Error: )?(.+?)\. Resolution note/.exec(details)?.[1] ?? details;
}

function reportOf(error: ServiceError): Report | undefined {
  const [bytes] = error.metadata.get(ERROR_TRAILER);
  if (!Buffer.isBuffer(bytes)) return undefined;
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return isReport(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** By hand: every command of the CLI comes by here, and the package for schemas has a hundred files to load. */
function isReport(value: unknown): value is Report {
  if (typeof value !== 'object' || value === null) return false;
  return REPORT.every((name) => typeof (value as Partial<Report>)[name] === 'string');
}
