/** What can be wrong with a journal, in words that name the file and what to do next. */
import { WeftError } from '../../model/errors.ts';

export function damaged(path: string, offset: number, what: string): WeftError {
  return new WeftError('journal-damaged', `${path}, byte ${offset}: ${what}`, { object: path });
}

export function newer(path: string, format: number): WeftError {
  return new WeftError('state-newer', `${path} is of format ${format}, which a later weft wrote`, { object: path });
}

export function full(directory: string, why: string, cause?: unknown): WeftError {
  return new WeftError('journal-full', `${directory}: ${why}`, { object: directory, cause });
}

export function failed(directory: string, what: string, cause?: unknown): WeftError {
  return new WeftError('journal-failed', `${directory}: ${what}`, { object: directory, cause });
}

export function outOfRoom(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
}
