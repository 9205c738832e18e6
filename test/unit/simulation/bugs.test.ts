import { expect, test } from 'vitest';
import { BUGS } from '../../support/sim-bugs.ts';
import { catches } from '../../support/sim-seeds.ts';

/** Twice what the slowest of them needs. */
const SEEDS = 60;

test.each(BUGS)('the planted bug %s is caught', { timeout: 300_000 }, async (bug) => {
  expect(await catches(bug, SEEDS)).toBeDefined();
});
