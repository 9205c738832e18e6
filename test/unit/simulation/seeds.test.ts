import { test } from 'vitest';
import { trySeeds } from '../../support/sim-seeds.ts';
import { trySeedsInThreads } from '../../support/sim-threads.ts';

const long = process.env.WEFT_LONG !== undefined;
const count = long ? 100_000 : 1_200;

test(
  'invariants hold after every step, whatever happens to a cluster',
  { timeout: long ? 36_000_000 : 900_000 },
  async () => {
    if (process.env.WEFT_SIM_SEED !== undefined) return trySeeds(0, 1);
    await trySeedsInThreads({ first: 0, count }, (done) => {
      if (long) process.stdout.write(`simulation: ${done} of ${count} seeds\n`);
    });
  },
);
