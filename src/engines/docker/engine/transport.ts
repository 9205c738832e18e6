/** HTTP over dockerd's unix socket: JSON answers with a deadline, and the endless answer of its events. */
import { Pool } from 'undici';
import { describeCause, WeftError } from '../../../model/errors.ts';

/** of one answer, in milliseconds: dockerd calls our plugin within some of its calls, which has 4 s for each */
const ANSWER_DEADLINE = 30_000;
const CONNECT_DEADLINE = 5_000;
/** An answer larger than this is not read on: a list of some ten thousand containers. */
const ANSWER_LIMIT = 64 * 1024 * 1024;
/** One event; those of images with many labels are some kilobytes. */
const LINE_LIMIT = 1024 * 1024;

export interface Answer {
  status: number;
  body: unknown;
}

export class EngineTransport {
  readonly #pool: Pool;
  readonly #path: string;

  /** `path` of dockerd's socket; nothing is opened before the first call. */
  constructor(path: string) {
    this.#path = path;
    this.#pool = new Pool('http://docker', {
      socketPath: path,
      connections: 4,
      connectTimeout: CONNECT_DEADLINE,
      // events come when they come; every other call has its deadline by signal
      headersTimeout: 0,
      bodyTimeout: 0,
      maxResponseSize: -1,
    });
  }

  /** Throws `engine-away` when dockerd cannot be reached or does not answer in time. */
  async call(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    options: { body?: unknown; signal?: AbortSignal } = {},
  ): Promise<Answer> {
    const deadline = AbortSignal.timeout(ANSWER_DEADLINE);
    const signal = options.signal ? AbortSignal.any([options.signal, deadline]) : deadline;
    try {
      const { statusCode, body } = await this.#pool.request({
        method,
        path,
        signal,
        ...(options.body === undefined
          ? {}
          : { body: JSON.stringify(options.body), headers: { 'content-type': 'application/json' } }),
      });
      const text = await bounded(body);
      return { status: statusCode, body: parse(text) };
    } catch (error) {
      if (options.signal?.aborted) throw options.signal.reason;
      throw this.#away(error);
    }
  }

  /** One JSON value a line, until the signal or the end of the connection, which is `engine-away`. */
  async *lines(path: string, signal: AbortSignal, onOpen: () => void): AsyncIterable<unknown> {
    try {
      const { statusCode, body } = await this.#pool.request({ method: 'GET', path, signal });
      if (statusCode !== 200) throw new Error(`HTTP ${statusCode}: ${(await bounded(body)).slice(0, 200)}`);
      onOpen();
      let rest = '';
      const decoder = new TextDecoder();
      for await (const chunk of body as AsyncIterable<Uint8Array>) {
        const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n');
        rest = parts.pop() ?? '';
        if (rest.length > LINE_LIMIT) throw new Error('an event longer than 1 MiB');
        for (const part of parts) if (part.trim() !== '') yield parse(part);
      }
      throw new Error('the stream of events ended');
    } catch (error) {
      if (signal.aborted) return;
      throw this.#away(error);
    }
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  #away(error: unknown): WeftError {
    return new WeftError('engine-away', `dockerd does not answer on ${this.#path}: ${describeCause(error)}`, {
      object: this.#path,
      cause: error,
    });
  }
}

async function bounded(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > ANSWER_LIMIT) throw new Error(`an answer longer than ${ANSWER_LIMIT} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parse(text: string): unknown {
  try {
    return text === '' ? null : JSON.parse(text);
  } catch {
    return text;
  }
}
