/**
 * A journal whose process, host or disk fails at any point, again and again. A failing property prints its counterexample;
 * `WEFT_SEED=n` tries that one alone.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JournalDisk, diskError } from '../../support/journal-disk.ts';
import { JournalDriver } from '../../support/journal-driver.ts';
import { Random } from '../../support/random.ts';

const LIVES = 6;
const seeds =
  process.env.WEFT_SEED === undefined
    ? fc.integer({ min: 0, max: 2 ** 31 })
    : fc.constant(Number(process.env.WEFT_SEED));

describe('a journal, opened again', { timeout: process.env.WEFT_LONG === undefined ? 60_000 : 1_800_000 }, () => {
  it('has all that was durable and nothing else, after power cuts at any point', async () => {
    await fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        const random = new Random(seed);
        const disk = new JournalDisk();
        const driver = new JournalDriver(disk, random);
        for (let life = 0; life < LIVES; life++) {
          await driver.life(random.integer(60), () => {
            if (random.integer(4) === 0) disk.kill();
            else disk.powerCut(random);
          });
          disk.kill();
        }
        await driver.open();
      }),
    );
  });

  it('has all that was durable after errors of the disk, which it never tries again', async () => {
    await fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        const random = new Random(seed);
        const disk = new JournalDisk();
        const driver = new JournalDriver(disk, random);
        for (let life = 0; life < LIVES; life++) {
          await driver
            .life(random.integer(60), () => {
              throw diskError('EIO');
            })
            .catch(unlessUnexplained);
          if (random.integer(2) === 0) disk.powerCut(random);
          else disk.kill();
        }
        await driver.open();
      }),
    );
  });

  it('has all that was durable after times with a full disk', async () => {
    await fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        const random = new Random(seed);
        const disk = new JournalDisk();
        const driver = new JournalDriver(disk, random);
        for (let life = 0; life < LIVES; life++) {
          disk.capacity = random.integer(3) === 0 ? Infinity : disk.used + random.integer(6000);
          await driver.life(random.integer(90), () => disk.powerCut(random)).catch(unlessUnexplained);
          disk.kill();
        }
        disk.capacity = Infinity;
        expect((await driver.open()).full).toBe(false);
      }),
    );
  });
});

/** Opening may fail for the same fault; the model's complaints may not. */
function unlessUnexplained(error: unknown): void {
  if (error instanceof Error && 'code' in error && error.code !== 'journal-damaged') return;
  throw error;
}
