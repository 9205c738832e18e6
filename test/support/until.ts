import { setTimeout as sleep } from 'node:timers/promises';

/** of pauses, in milliseconds */
const [SHORTEST, LONGEST] = [15, 500];

/**
 * Waits for a condition; fails naming it at the deadline (milliseconds, 10 s when left out). A look that takes long, of a program
 * that is started for it, is followed by as long a pause: what is waited for needs the processor as well. Whoever finds
 * the deadline over looks once more, at once: when this process was held up, what was due in it has not run yet.
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  options: { what: string; deadline?: number; every?: number },
): Promise<void> {
  const deadline = options.deadline ?? 10_000;
  const end = performance.now() + deadline;
  for (let late = false; ;) {
    const began = performance.now();
    if (await condition()) return;
    const now = performance.now();
    if (late) throw new Error(`waited ${deadline} ms in vain for ${options.what}`);
    late = now > end;
    await sleep(late ? 0 : (options.every ?? Math.min(LONGEST, Math.max(SHORTEST, now - began))));
  }
}
