/** A thread that takes the next seed until there is none, or one fails. */
import { parentPort, workerData } from 'node:worker_threads';
import { simulate } from './sim-run.ts';
import type { SimResult } from './sim-run.ts';
import { optionsOf } from './sim-seeds.ts';

/** What all threads of a run share. */
export interface Seeds {
  first: number;
  count: number;
  /** how many seeds were taken */
  taken: Int32Array;
}

export interface Failed extends SimResult {
  seed: number;
}

const { first, count, taken } = workerData as Seeds;
for (;;) {
  const next = Atomics.add(taken, 0, 1);
  if (next >= count) break;
  const seed = first + next;
  const result = await simulate(optionsOf(seed));
  if (result.failure === undefined) continue;
  Atomics.store(taken, 0, count);
  parentPort?.postMessage({ seed, ...result } satisfies Failed);
  break;
}
