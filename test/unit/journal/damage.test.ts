/** Files that are not what was written: the journal says so, or has all that was durable. It is never silently shorter. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameWriter, MAGIC } from '../../../src/store/journal/frame.ts';
import { openJournal } from '../../../src/store/journal/journal.ts';
import type { Journal } from '../../../src/store/journal/port.ts';
import { silentLog } from '../../../src/store/log.ts';
import { JournalDisk } from '../../support/journal-disk.ts';
import { JournalDriver } from '../../support/journal-driver.ts';
import { rot } from '../../support/journal-rot.ts';
import { Random } from '../../support/random.ts';

const seeds =
  process.env.WEFT_SEED === undefined
    ? fc.integer({ min: 0, max: 2 ** 31 })
    : fc.constant(Number(process.env.WEFT_SEED));
const log1 = '/journal/log-0000000001';
const header = { node: 'n1', machineId: 'm', bootId: 'b1', epoch: 1 };

const open = (disk: JournalDisk): Promise<Journal> =>
  openJournal({ directory: '/journal', files: disk.files(), header, log: silentLog, limits: { reserveBytes: 0 } });

/** Three entries, each written by itself, and where the log ended before each. */
async function threeEntries(): Promise<{ disk: JournalDisk; starts: number[] }> {
  const disk = new JournalDisk();
  const journal = await open(disk);
  const starts: number[] = [];
  for (const value of [1, 2, 3]) {
    starts.push(disk.content(log1)?.length ?? 0);
    await journal.append([{ put: 'key', value }]).durable;
  }
  await journal.close();
  return { disk, starts };
}

const change = (disk: JournalDisk, path: string, how: (content: Buffer) => Buffer) =>
  disk.overwrite(path, how(Buffer.from(disk.content(path) ?? [])));

describe(
  'a journal whose files were damaged',
  { timeout: process.env.WEFT_LONG === undefined ? 60_000 : 1_800_000 },
  () => {
    it('has all that was durable, or says that it has not', async () => {
      const met = { recovered: 0, refused: 0 };
      await fc.assert(
        fc.asyncProperty(seeds, async (seed) => {
          const random = new Random(seed);
          const disk = new JournalDisk();
          const driver = new JournalDriver(disk, random);
          for (let life = 0; life < 3; life++) {
            await driver.life(Infinity, () => undefined);
            disk.kill();
          }
          const how = rot(disk, random);
          try {
            await driver.open();
            met.recovered++;
          } catch (error) {
            expect(error, how).toMatchObject({ code: 'journal-damaged' });
            met.refused++;
          }
        }),
      );
      if (process.env.WEFT_SEED === undefined) expect(Math.min(met.recovered, met.refused)).toBeGreaterThan(0);
    });

    it('changes nothing when it refuses', async () => {
      const { disk, starts } = await threeEntries();
      change(disk, log1, (content) => content.fill(0, (starts[1] ?? 0) + 30, (starts[1] ?? 0) + 40));
      const before = disk.paths().map((path) => [path, disk.content(path)?.toString('hex')]);
      await expect(open(disk)).rejects.toMatchObject({ code: 'journal-damaged', object: log1 });
      expect(disk.paths().map((path) => [path, disk.content(path)?.toString('hex')])).toEqual(before);
    });

    it('says at which byte of which file, and what to do', async () => {
      const { disk, starts } = await threeEntries();
      change(disk, log1, (content) => content.fill(0, starts[1], starts[2]));
      const error = await open(disk).catch((thrown: unknown) => thrown as Error);
      expect(error).toMatchObject({
        message: expect.stringContaining(`${log1}, byte ${starts[1]}: entry 2 `) as string,
      });
      expect(error).toMatchObject({ next: expect.stringContaining('restore the directory') as string });
    });

    it('misses a last entry that was on disk', async () => {
      const { disk, starts } = await threeEntries();
      change(disk, log1, (content) => content.subarray(0, starts[2]));
      await expect(open(disk)).rejects.toMatchObject({ code: 'journal-damaged' });
    });

    it('cuts a last entry that a crash tore, zeros and all', async () => {
      const { disk } = await threeEntries();
      const whole = disk.content(log1)?.length ?? 0;
      change(disk, log1, (content) => Buffer.concat([content, content.subarray(-20), Buffer.alloc(5000)]));
      const journal = await open(disk);
      expect(journal.sequence).toBe(3);
      expect(disk.content(log1)?.length).toBe(whole);
    });

    it('tells a torn entry from a rotten one by what was written after it, when the mark was lost to a crash', async () => {
      const { disk, starts } = await threeEntries();
      // as a crash may leave it: it never knew of more than the first entry
      const marked = new JournalDisk();
      const journal = await open(marked);
      await journal.append([{ put: 'key', value: 1 }]).durable;
      await journal.close();
      disk.overwrite('/journal/mark', Buffer.from(marked.content('/journal/mark') ?? []));
      const torn = disk.copy();
      change(torn, log1, (content) => content.fill(0xff, (starts[2] ?? 0) + 5));
      expect((await open(torn)).sequence).toBe(2);
      change(disk, log1, (content) => content.fill(0xff, (starts[1] ?? 0) + 5, starts[2]));
      await expect(open(disk)).rejects.toMatchObject({ code: 'journal-damaged' });
    });

    it('takes an entry that stands there twice, alike', async () => {
      const { disk, starts } = await threeEntries();
      change(disk, log1, (content) => Buffer.concat([content, content.subarray(starts[1], starts[2])]));
      const journal = await open(disk);
      expect(journal.sequence).toBe(3);
      await journal.append([{ put: 'more', value: 4 }]).durable;
      await journal.close();
      expect((await open(disk)).sequence).toBe(4);
    });

    it('takes no other entry for one that it has', async () => {
      const { disk, starts } = await threeEntries();
      const other = new JournalDisk();
      const journal = await open(other);
      await journal.append([{ put: 'key', value: 9 }]).durable;
      const foreign = Buffer.from(other.content(log1)?.subarray(starts[0]) ?? []);
      change(disk, log1, (content) => Buffer.concat([content, foreign]));
      await expect(open(disk)).rejects.toMatchObject({
        message: expect.stringContaining('twice, and not alike') as string,
      });
    });

    it.each(['/journal/mark', log1])('misses %s', async (path) => {
      const { disk } = await threeEntries();
      disk.overwrite(path, undefined);
      await expect(open(disk)).rejects.toMatchObject({
        code: 'journal-damaged',
        object: path.replace(log1, '/journal/mark'),
      });
    });

    it('does not read what a later weft wrote', async () => {
      const { disk } = await threeEntries();
      const frames = new FrameWriter(0);
      frames.add(0, JSON.stringify({ format: 2, log: 1, first: 1, header }));
      disk.overwrite(log1, Buffer.concat([MAGIC, frames.take().bytes]));
      await expect(open(disk)).rejects.toMatchObject({ message: expect.stringContaining('format 2') as string });
    });
  },
);
