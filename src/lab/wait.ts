/** Waiting for a state of the world that nobody announces. */
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { WeftError } from '../model/errors.ts';

export interface WaitOptions {
  /** what is waited for, as the error says it */
  what: string;
  /** milliseconds */
  deadline: number;
  host?: string;
  signal?: AbortSignal | undefined;
  /** called when the deadline has passed: what may explain it */
  explain?: () => Promise<string>;
}

/** of pauses, in milliseconds */
const [SHORTEST, LONGEST] = [30, 500];

export async function until(condition: () => Promise<boolean>, options: WaitOptions): Promise<void> {
  const end = performance.now() + options.deadline;
  for (;;) {
    const began = performance.now();
    if (await condition()) return;
    options.signal?.throwIfAborted();
    const now = performance.now();
    if (now > end) {
      const explanation = options.explain === undefined ? '' : await options.explain();
      const context = options.host === undefined ? {} : { host: options.host };
      const detail = explanation === '' ? '' : `: ${explanation}`;
      throw new WeftError('lab-failed', `${options.what} after ${options.deadline} ms${detail}`, context);
    }
    // What is waited for needs the processor as well.
    await pause(
      Math.min(LONGEST, Math.max(SHORTEST, now - began)),
      undefined,
      options.signal ? { signal: options.signal } : {},
    );
  }
}
