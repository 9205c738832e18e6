import { constants } from 'node:os';

/** asm-generic/errno.h */
const ESOCKTNOSUPPORT = 94;

/** "EEXIST" for 17; "E17" for a number this system has no name for. */
export function errnoName(errno: number): string {
  // Two names share a number on Linux; the kernel's sources use this one.
  if (errno === constants.errno.EOPNOTSUPP) return 'EOPNOTSUPP';
  // Node's table lacks it.
  if (errno === ESOCKTNOSUPPORT) return 'ESOCKTNOSUPPORT';
  const found = Object.entries(constants.errno).find(([, number]) => number === errno);
  return found?.[0] ?? `E${errno}`;
}

export interface NetlinkErrorFields {
  /** what was asked, in words: "create link wb1048576" */
  op: string;
  /** positive */
  errno: number;
  /** the kernel's own text from the extended acknowledgement, '' where it gave none */
  kernelMessage: string;
  /** offset into the request of the attribute the kernel objects to, as it says */
  offset?: number;
  /** position in a batch */
  index?: number;
}

/** The kernel's refusal of one request. Match on `code`. */
export class NetlinkError extends Error {
  readonly code: string;
  readonly op: string;
  readonly errno: number;
  readonly kernelMessage: string;
  readonly offset: number | undefined;
  readonly index: number | undefined;

  constructor(fields: NetlinkErrorFields) {
    const code = errnoName(fields.errno);
    super(`${fields.op}: ${fields.kernelMessage ? `${fields.kernelMessage} (${code})` : code}`);
    this.name = 'NetlinkError';
    this.code = code;
    this.op = fields.op;
    this.errno = fields.errno;
    this.kernelMessage = fields.kernelMessage;
    this.offset = fields.offset;
    this.index = fields.index;
  }
}

/** The receive buffer overran, or no answer came in time: the request may or may not have been carried out. Read again. */
export class OutcomeUnknownError extends Error {
  readonly op: string;

  constructor(op: string, why: string) {
    super(`${op}: outcome unknown, read again: ${why}`);
    this.name = 'OutcomeUnknownError';
    this.op = op;
  }
}

/** The answers overran the socket's buffer. */
export class OverrunError extends OutcomeUnknownError {
  constructor(op: string) {
    super(op, 'the receive buffer overran');
    this.name = 'OverrunError';
  }
}

/** Bytes that are not what they should be; the message begins with where: "link: linkinfo: data: ...". */
export class DecodeError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'DecodeError';
  }

  within(context: string): DecodeError {
    return new DecodeError(`${context}: ${this.message}`);
  }
}
