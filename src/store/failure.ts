/** What went wrong in a call of etcd, as the rest of weft is told. */
import { status } from '@grpc/grpc-js';
import { WeftError, describeCause } from '../model/errors.ts';

interface GrpcFailure {
  code: number;
  details: string;
}

/** undefined for what is no failure of gRPC's own making. */
export function grpcFailure(error: unknown): GrpcFailure | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'number') return undefined;
  return {
    code: error.code,
    details: 'details' in error && typeof error.details === 'string' ? error.details : error.message,
  };
}

/** The request did not leave this host, so that even a write may be tried elsewhere. */
export function neverSent(error: unknown): boolean {
  const failure = grpcFailure(error);
  return failure?.code === status.UNAVAILABLE && failure.details.startsWith('No connection established');
}

export function isUnavailable(error: unknown): boolean {
  return grpcFailure(error)?.code === status.UNAVAILABLE;
}

/** Ended by this side's own signal. */
export function isCancelled(error: unknown): boolean {
  return grpcFailure(error)?.code === status.CANCELLED;
}

/** The history a range or watch asks for was compacted, or is still to come: it belongs to another store. */
export function isCompacted(error: unknown): boolean {
  return grpcFailure(error)?.code === status.OUT_OF_RANGE;
}

export interface FailedCall {
  /** "commit a transaction that puts networks/01H..." */
  what: string;
  endpoint: string;
  deadline: number;
  /** the call may have been carried out all the same */
  writes: boolean;
}

export function storeError(error: unknown, call: FailedCall): WeftError {
  const failure = grpcFailure(error);
  const subject = `etcd at ${call.endpoint}`;
  const refused = `${subject} cannot ${call.what}: ${failure?.details ?? describeCause(error)}`;
  const unsure = call.writes && !neverSent(error) ? '; whether it was done is not known' : '';
  switch (failure?.code) {
    case undefined:
    case status.INVALID_ARGUMENT:
    case status.FAILED_PRECONDITION:
      return new WeftError('internal', refused, { cause: error });
    case status.NOT_FOUND:
      return new WeftError('store-conflict', refused);
    case status.DEADLINE_EXCEEDED:
      return new WeftError('store-away', `${subject} did not ${call.what} within ${call.deadline} ms${unsure}`);
    default:
      return new WeftError('store-away', `${refused}${unsure}`, { cause: error });
  }
}
