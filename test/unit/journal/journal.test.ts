import { describe, expect, it } from 'vitest';
import { openJournal } from '../../../src/store/journal/journal.ts';
import type { Journal, JournalHeader, JournalLimits } from '../../../src/store/journal/port.ts';
import { silentLog } from '../../../src/store/log.ts';
import { JournalDisk, diskError } from '../../support/journal-disk.ts';
import { Random } from '../../support/random.ts';

const header: JournalHeader = { node: 'n1', machineId: 'm', bootId: 'b1', epoch: 1 };
const directory = '/journal';
const open = (disk: JournalDisk, limits: Partial<JournalLimits> = {}) =>
  openJournal({ directory, files: disk.files(), header, log: silentLog, limits: { reserveBytes: 4096, ...limits } });
const put = (key: string, value: unknown) => [{ put: key, value }];
const records = (journal: Journal) => Object.fromEntries(journal.entries());

describe('a journal', () => {
  it('begins empty, and tells what was put and deleted', async () => {
    const journal = await open(new JournalDisk());
    expect(journal).toMatchObject({ fresh: true, sequence: 0, published: 0, header });
    journal.append([...put('a/1', { x: 1 }), ...put('a/2', 2), ...put('b', null)]);
    const { sequence, durable } = journal.append([{ delete: 'a/2' }]);
    expect(sequence).toBe(2);
    expect(journal.get('a/1')).toEqual({ x: 1 });
    expect([...journal.entries('a/')]).toEqual([['a/1', { x: 1 }]]);
    await durable;
    expect(journal.durable).toBe(2);
  });

  it('is the same when it is opened again, closed or not', async () => {
    const disk = new JournalDisk();
    const first = await open(disk);
    await first.append(put('a', 1)).durable;
    await first.append(put('b', 2)).durable;
    disk.kill();
    const second = await open(disk);
    expect(second).toMatchObject({ fresh: false, sequence: 2, durable: 2 });
    await second.append(put('c', 3)).durable;
    await second.close();
    const third = await open(disk);
    expect(records(third)).toEqual({ a: 1, b: 2, c: 3 });
    expect(third.pending(0, 10).map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
  });

  it('writes in one go what is appended while the disk is busy', async () => {
    const disk = new JournalDisk();
    const journal = await open(disk);
    let syncs = 0;
    disk.onOperation = (operation) => (syncs += operation === 'sync' ? 1 : 0);
    const all = Array.from({ length: 100 }, (_, index) => journal.append(put(`k${index}`, index)).durable);
    await Promise.all(all);
    expect(syncs).toBe(1);
  });

  it('keeps back what is not durable, and drops what is published', async () => {
    const journal = await open(new JournalDisk());
    const { durable } = journal.append(put('a', 1));
    expect(journal.pending(0, 10)).toEqual([]);
    await durable;
    await journal.append(put('b', 2)).durable;
    expect(journal.pending(0, 1)).toEqual([{ sequence: 1, operations: put('a', 1) }]);
    journal.publishedUpTo(1);
    expect(journal.pending(0, 10)).toEqual([{ sequence: 2, operations: put('b', 2) }]);
    expect(journal.pending(2, 10)).toEqual([]);
    expect(journal.published).toBe(1);
  });

  it('goes back to what is durable when a sync fails, and takes nothing more', async () => {
    const disk = new JournalDisk();
    const journal = await open(disk);
    await journal.append(put('a', 1)).durable;
    disk.onOperation = (operation) => {
      if (operation === 'sync') throw diskError('EIO');
    };
    const [one, two] = [journal.append(put('a', 2)), journal.append([{ delete: 'a' }])];
    await expect(one.durable).rejects.toMatchObject({ code: 'journal-failed' });
    await expect(two.durable).rejects.toMatchObject({ code: 'journal-failed' });
    expect(records(journal)).toEqual({ a: 1 });
    expect(journal.sequence).toBe(1);
    expect(() => journal.append(put('b', 1), 'release')).toThrow(expect.objectContaining({ code: 'journal-failed' }));
    await journal.close();
  });

  it('says who writes, and from when on it is another boot', async () => {
    const disk = new JournalDisk();
    const first = await open(disk);
    await first.append(put('a', 1)).durable;
    await first.rebind({ ...header, bootId: 'b2', epoch: 4 });
    expect(first.header).toMatchObject({ bootId: 'b2', epoch: 4 });
    await first.append(put('b', 2)).durable;
    disk.powerCut(new Random(1));
    const second = await open(disk);
    expect(second.header).toEqual({ ...header, bootId: 'b2', epoch: 4 });
    expect(records(second)).toEqual({ a: 1, b: 2 });
  });

  it('begins its log anew when that is worth it, and keeps what is not published', async () => {
    const disk = new JournalDisk();
    const journal = await open(disk, { logBytes: 10_000, reserveBytes: 0 });
    for (let index = 0; index < 2000; index++) {
      await journal.append(put(`k/${index % 5}`, { index, text: 'x'.repeat(100) })).durable;
      if (index === 1500) journal.publishedUpTo(1400);
    }
    journal.publishedUpTo(1995);
    await journal.close();
    expect(disk.used).toBeLessThan(200_000);
    const again = await open(disk, { reserveBytes: 0 });
    expect(again).toMatchObject({ sequence: 2000, published: 1995 });
    expect([...again.entries('k/')]).toHaveLength(5);
    expect(again.pending(1995, 10).map(({ sequence }) => sequence)).toEqual([1996, 1997, 1998, 1999, 2000]);
  });

  it('has no log for each boot for ever', async () => {
    const disk = new JournalDisk();
    for (let boot = 0; boot < 40; boot++) {
      const journal = await open(disk);
      await journal.rebind({ ...header, bootId: `b${boot}` });
      await journal.append(put('boot', boot)).durable;
      await journal.close();
    }
    expect(disk.paths().length).toBeLessThan(15);
    expect((await open(disk)).get('boot')).toBe(39);
  });

  it('goes on with its logs when a snapshot cannot be written', async () => {
    const disk = new JournalDisk();
    const journal = await open(disk, { logBytes: 2000 });
    disk.onOperation = (_, path) => {
      if (path.includes('snapshot')) throw diskError('EIO');
    };
    for (let index = 0; index < 100; index++) await journal.append(put('k', 'x'.repeat(100))).durable;
    await journal.close();
    disk.onOperation = undefined;
    expect((await open(disk)).sequence).toBe(100);
  });

  it('takes releases alone while the reserve is all the room there is', async () => {
    const disk = new JournalDisk();
    const journal = await open(disk);
    await journal.append(put('a', 1)).durable;
    disk.capacity = disk.used;
    // what was appended before the disk was found full has its place in the reserve too
    await journal.append(put('a', 2)).durable;
    expect(journal.full).toBe(true);
    expect(() => journal.append(put('a', 3))).toThrow(expect.objectContaining({ code: 'journal-full' }));
    await journal.append([{ delete: 'a' }], 'release').durable;
    expect(journal.get('a')).toBeUndefined();
    await journal.regain();
    expect(journal.full).toBe(true);
    disk.capacity = Infinity;
    await Promise.all([journal.regain(), journal.regain()]);
    expect(journal.full).toBe(false);
    await journal.append(put('a', 5)).durable;
    expect(disk.content('/journal/reserve')).toHaveLength(4096);
  });

  it('is as it was when not even the reserve was enough, and takes smaller entries', async () => {
    const disk = new JournalDisk();
    const journal = await open(disk);
    await journal.append(put('a', 1)).durable;
    disk.capacity = disk.used;
    const large = journal.append(put('a', 'x'.repeat(5000)));
    const behind = journal.append([{ delete: 'a' }], 'release');
    await expect(large.durable).rejects.toMatchObject({ code: 'journal-full' });
    await expect(behind.durable).rejects.toMatchObject({ code: 'journal-full' });
    expect(records(journal)).toEqual({ a: 1 });
    const again = journal.append([{ delete: 'a' }], 'release');
    expect(again.sequence).toBe(2);
    await again.durable;
    disk.powerCut(new Random(2));
    expect(records(await open(disk))).toEqual({});
  });

  it('refuses new entries, not releases, while the disk does not keep up', async () => {
    const disk = new JournalDisk();
    const journal = await open(disk, { waitingBytes: 100 });
    const first = journal.append(put('a', 'x'.repeat(200)));
    expect(() => journal.append(put('b', 1))).toThrow(expect.objectContaining({ code: 'journal-full' }));
    const release = journal.append([{ delete: 'a' }], 'release');
    await Promise.all([first.durable, release.durable]);
    await journal.append(put('b', 1)).durable;
  });

  it('refuses what it could not read again', async () => {
    const journal = await open(new JournalDisk(), { entryBytes: 100 });
    const refused = expect.objectContaining({ code: 'invalid-argument' }) as Error;
    expect(() => journal.append(put('a', undefined))).toThrow(refused);
    expect(() => journal.append(put('a', 'x'.repeat(100)))).toThrow(refused);
    expect(journal.sequence).toBe(0);
  });

  it('holds what a recovery would read, whatever becomes of the object that was put', async () => {
    const journal = await open(new JournalDisk());
    const value: { list: number[]; none?: undefined } = { list: [1], none: undefined };
    await journal.append(put('a', value)).durable;
    value.list.push(2);
    expect(journal.get('a')).toStrictEqual({ list: [1] });
  });

  it('writes what waits before it closes, and takes nothing afterwards', async () => {
    const disk = new JournalDisk();
    const journal = await open(disk);
    journal.append(put('a', 1));
    await Promise.all([journal.close(), journal.close()]);
    expect(() => journal.append(put('b', 1))).toThrow(expect.objectContaining({ code: 'journal-failed' }));
    expect((await open(disk)).durable).toBe(1);
  });
});
