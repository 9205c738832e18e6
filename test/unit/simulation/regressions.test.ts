import { test } from 'vitest';
import { trySeeds } from '../../support/sim-seeds.ts';

/** Each showed a fault of the product once. */
const SEEDS = [
  ...[
    6, 18, 28, 53, 148, 459, 477, 1009, 1028, 2049, 2147, 3060, 4519, 9008, 10186, 11177, 30327, 53859, 56886, 57370,
    66585, 73618,
  ],
];
/** The same, of those that meet a restored etcd; 5119: more than once, from backups made in between; 1223: with an endpoint that ended since. */
const OF_STORE = [1223, 5067, 5119, 6013];

test.each(SEEDS)('what seed %d found stays found', { timeout: 120_000 }, (seed) => trySeeds(seed, 1));

test.each(OF_STORE)('what seed %d found with etcd restored stays found', { timeout: 120_000 }, (seed) =>
  trySeeds(seed, 1, 'store'),
);
