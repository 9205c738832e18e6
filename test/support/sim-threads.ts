/** Thousands of simulations over all processors. */
import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { plainFolder, writePlain } from './sim-plain.ts';
import { assertHolds } from './sim-seeds.ts';
import type { Failed, Seeds } from './sim-worker.ts';

/** MiB for what lives only for a moment: a picture, an answer, a message */
const YOUNG = 64;
/** milliseconds between lines of progress */
const PROGRESS = 60_000;

/** Throws with the story of a seed that fails, the first that was found. `progress` is told at times how many are done. */
export async function trySeedsInThreads(
  { first, count }: { first: number; count: number },
  progress: (done: number) => void = () => undefined,
): Promise<void> {
  const folder = plainFolder(`weft-simulation-${process.pid}`);
  const taken = new Int32Array(new SharedArrayBuffer(4));
  const told = setInterval(() => progress(Math.min(count, taken[0] ?? 0)), PROGRESS);
  try {
    await writePlain({ worker: 'test/support/sim-worker.ts' }, folder);
    const module = join(folder, 'worker.mjs');
    const threads = Array.from({ length: availableParallelism() }, () => run(module, { first, count, taken }));
    const failed = (await Promise.all(threads)).find((one) => one !== undefined);
    if (failed) assertHolds(failed, failed.seed);
  } finally {
    clearInterval(told);
    rmSync(folder, { recursive: true, force: true });
  }
}

function run(module: string, seeds: Seeds): Promise<Failed | undefined> {
  return new Promise((resolve, reject) => {
    let failed: Failed | undefined;
    const thread = new Worker(module, { workerData: seeds, resourceLimits: { maxYoungGenerationSizeMb: YOUNG } });
    thread.on('message', (message: Failed) => (failed = message));
    thread.on('error', reject);
    thread.on('exit', () => resolve(failed));
  });
}
