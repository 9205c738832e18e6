import { test } from 'vitest';
import { trySeeds } from '../../support/sim-seeds.ts';

const long = process.env.WEFT_LONG !== undefined;

test('invariants hold after every step, whatever happens to a cluster', { timeout: long ? 36_000_000 : 600_000 }, () =>
  trySeeds(0, long ? 50_000 : 250),
);
