import { defineConfig } from 'vitest/config';

/** Labs have namespaces and a folder of their own, and mostly wait: so many stand at once, under different names. */
const LABS = 2;
/** The other faults, chaos and the soak take a quarter of an hour even when they are short. */
const FAULTS = process.env.WEFT_LONG === undefined ? 'test/faults/weftd.test.ts' : 'test/faults/**/*.test.ts';

/**
 * One kind after the other, so that deadlines are not met by chance; what touches the kernel's shared tables runs one file at
 * a time.
 */
export default defineConfig({
  resolve: { alias: { 'netlink-ts': new URL('./native/netlink-ts/index.ts', import.meta.url).pathname } },
  test: {
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
          include: ['test/unit/**/*.test.ts', 'native/test/unit/**/*.test.ts'],
        },
      },
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
          include: [FAULTS],
          maxWorkers: LABS,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
