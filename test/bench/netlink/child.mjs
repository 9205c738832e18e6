/**
 * What a contestant's process shares: it runs one task in the namespace it was started in and prints one line of JSON. Heap
 * is what the work allocated; it is told only when no garbage was collected meanwhile, which the parent's flags provide for.
 */
import { performance, PerformanceObserver } from 'node:perf_hooks';
import { setImmediate } from 'node:timers';

/** Of the links that are made, so that they can be removed at once. */
export const GROUP = 7;

/** `tasks`: name -> async (count) => how many objects it made or read, after a first call to warm up. */
export async function child(tasks) {
  const [task, count] = [process.argv[2], Number(process.argv[3])];
  const work = tasks[task];
  let collections = 0;
  const observer = new PerformanceObserver((list) => (collections += list.getEntries().length));
  globalThis.gc();
  await new Promise((resolve) => setImmediate(resolve));
  observer.observe({ entryTypes: ['gc'] });
  const before = used();
  const start = performance.now();
  const done = await work(count);
  const milliseconds = performance.now() - start;
  const bytes = used() - before;
  await new Promise((resolve) => setImmediate(resolve));
  console.log(JSON.stringify({ milliseconds, done, ...(collections === 0 && { bytes }) }));
  process.exit(0);
}

function used() {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** 10.x.y.z for 0, 1, 2, ... */
export function address(i) {
  return `10.${64 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`;
}

/** Runs all, at most `width` at once. */
export async function pipelined(count, width, one) {
  let next = 0;
  const lane = async () => {
    while (next < count) await one(next++);
  };
  await Promise.all(Array.from({ length: width }, lane));
  return count;
}
