import { test } from 'vitest';
import { trySeeds } from '../../support/sim-seeds.ts';

/** Each showed a fault of the product once. */
const SEEDS = [6, 18, 28, 53, 459, 477, 1009, 1028, 2049, 2147];

test.each(SEEDS)('what seed %d found stays found', { timeout: 120_000 }, (seed) => trySeeds(seed, 1));
