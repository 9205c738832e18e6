/** Where vitest writes its JSON reports, below the root: of all tests, and of the simulation's seeds, which run beside them. */
export const REPORTS = { tests: 'test/report/vitest.json', seeds: 'test/report/seeds.json' };
