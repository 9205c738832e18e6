import { setTimeout as sleep } from 'node:timers/promises';

/** Waits for a condition; fails naming it at the deadline (milliseconds, 10 s when left out). */
export async function until(
  condition: () => boolean | Promise<boolean>,
  options: { what: string; deadline?: number; every?: number },
): Promise<void> {
  const deadline = options.deadline ?? 10_000;
  const end = performance.now() + deadline;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited ${deadline} ms in vain for ${options.what}`);
    await sleep(options.every ?? 15);
  }
}
