import { describe, expect, it } from 'vitest';
import { openJournal } from '../../../src/store/journal/journal.ts';
import type { Journal, JournalHeader, JournalLimits } from '../../../src/store/journal/port.ts';
import { silentLog } from '../../../src/store/log.ts';
import { JournalDisk, diskError } from '../../support/journal-disk.ts';

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
});
