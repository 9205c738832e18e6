import { test } from 'vitest';
import { trySeeds } from '../../support/sim-seeds.ts';
import { trySeedsInThreads } from '../../support/sim-threads.ts';

const long = process.env.WEFT_LONG !== undefined;
const { WEFT_SIM_SEED: only, WEFT_SIM_FIRST: first = 0, WEFT_SIM_COUNT: count = long ? 100_000 : 2_000 } = process.env;

test(
  'invariants hold after every step, whatever happens to a cluster',
  // Beside the other tests they may wait for all of those.
  { timeout: long ? 36_000_000 : 3_600_000 },
  async () => {
    if (only !== undefined) return trySeeds(0, 1);
    await trySeedsInThreads({ first: Number(first), count: Number(count) }, (done) => {
      if (long) process.stdout.write(`simulation: ${done} of ${count} seeds\n`);
    });
  },
);
