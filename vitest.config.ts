import { defineConfig } from 'vitest/config';
import { BaseSequencer } from 'vitest/node';
import type { TestSpecification } from 'vitest/node';

/** Labs have namespaces and a folder of their own, and mostly wait: so many stand at once, under different names. */
const LABS = 2;
/** Of `npm test`: all others take a quarter of an hour. */
const QUICK_FAULTS = ['test/faults/quick.test.ts', 'test/faults/soak/soak.test.ts'];

/** They take minutes: begun first, so that none is left to run alone at the end. */
const LONGEST = [
  ...[
    'faults/quick',
    'e2e/daemon',
    'e2e/dockerd-start',
    'e2e/living',
    'e2e/docker',
    'e2e/dockerd-life',
    'e2e/tutorial',
  ],
  ...['e2e/step', 'e2e/compose', 'e2e/addresses', 'e2e/join', 'e2e/overlay', 'e2e/demo', 'faults/soak/soak'],
];

/** Of the simulation: a process of its own tries them beside the others (src/setup/test.mjs). */
const SEEDS = ['test/unit/simulation/seeds.test.ts'];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const found = LONGEST.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
      return found < 0 ? LONGEST.length : found;
    };
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}

/**
 * One kind after the other, so that deadlines are not met by chance; what touches the kernel's shared tables runs one file at
 * a time.
 */
export default defineConfig({
  resolve: { alias: { 'netlink-ts': new URL('./native/netlink-ts/index.ts', import.meta.url).pathname } },
  test: {
    sequence: { sequencer: LongestFirst },
    setupFiles: ['test/support/properties.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          // The long run tries up to a million cases of a property.
          testTimeout: process.env.WEFT_LONG === undefined ? 10_000 : 1_800_000,
          sequence: { groupOrder: 0 },
          maxWorkers: 2,
          // No module has state of its own: all files of a worker may share what was loaded once.
          isolate: false,
          include: ['test/unit/**/*.test.ts', 'native/test/unit/**/*.test.ts'],
          exclude: SEEDS,
        },
      },
      { extends: true, test: { name: 'simulation', sequence: { groupOrder: 0 }, maxWorkers: 2, include: SEEDS } },
      {
        extends: true,
        test: {
          name: 'contract',
          sequence: { groupOrder: 1 },
          // they wait for etcd most of the time, so that more run at once than there are processors
          maxWorkers: 4,
          include: ['test/contract/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'kernel',
          sequence: { groupOrder: 2 },
          include: ['test/kernel/**/*.test.ts', 'native/test/kernel/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          sequence: { groupOrder: 3 },
          include: ['test/e2e/**/*.test.ts'],
          maxWorkers: LABS,
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'faults',
          sequence: { groupOrder: 3 },
          include: process.env.WEFT_LONG === undefined ? QUICK_FAULTS : ['test/faults/**/*.test.ts'],
          maxWorkers: LABS,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
