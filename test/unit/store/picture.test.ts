/** The picture on disk: whole and right, or none, and then it says why. */
import { describe, expect, test } from 'vitest';
import { FrameWriter } from '../../../src/store/journal/frame.ts';
import { pictureFile } from '../../../src/store/picture/file.ts';
import type { Picture } from '../../../src/store/picture/port.ts';
import { JournalDisk, diskError } from '../../support/journal-disk.ts';
import { Random } from '../../support/random.ts';

const PATH = '/state/picture';

function pictureOf(revision: number, count: number): Picture {
  const entries = Array.from({ length: count }, (_, i) => ({
    key: `endpoints/net/${i}`,
    value: { id: `${i}`, node: 'b', addresses: [`10.1.0.${i}/16`], labels: { at: `${revision}` } },
    revision: revision - (i % 7),
    created: 1,
  }));
  return { node: 'a', cluster: 'c', revision, takenAt: '2026-01-01T00:00:00.000Z', entries };
}

async function savedOn(disk: JournalDisk, picture: Picture): Promise<void> {
  await pictureFile(PATH, disk.files()).save(picture);
}

const loadFrom = (disk: JournalDisk) => pictureFile(PATH, disk.files()).load();

describe('a picture', () => {
  test('comes back as it was, in any size, and the newest of two', async () => {
    const disk = new JournalDisk();
    expect(await loadFrom(disk)).toMatchObject({ ok: false, reason: expect.stringContaining('none') as string });
    for (const count of [0, 1, 64, 65, 5_000]) {
      const picture = pictureOf(100 + count, count);
      await savedOn(disk, picture);
      expect(await loadFrom(disk)).toEqual({ ok: true, picture });
    }
    expect(disk.paths()).toEqual([PATH]);
  });

  test('is the one before or the new one after a power cut at any moment of its writing', async () => {
    const [before, after] = [pictureOf(10, 2_000), pictureOf(20, 2_000)];
    const seen = new Set<number>();
    for (let seed = 1; seed <= 24; seed++) {
      const random = new Random(seed);
      const disk = new JournalDisk();
      await savedOn(disk, before);
      await untilPowerCut(disk, after, random);
      const found = await loadFrom(disk);
      if (!found.ok) throw new Error(`seed ${seed}: ${found.reason}`);
      const whole = found.picture.revision === 10 ? before : after;
      expect(JSON.stringify(found.picture.entries) === JSON.stringify(whole.entries), `seed ${seed}`).toBe(true);
      seen.add(found.picture.revision);
    }
    expect([...seen].sort()).toEqual([10, 20]);
  });

  test('that was cut short or changed anywhere is none, and says where', async () => {
    const disk = new JournalDisk();
    await savedOn(disk, pictureOf(10, 200));
    const content = Buffer.from(disk.content(PATH) ?? '');
    for (let at = 0; at < content.length; at += 97) {
      disk.overwrite(PATH, content.subarray(0, at));
      expect((await loadFrom(disk)).ok, `cut at ${at}`).toBe(false);
      const changed = Buffer.from(content);
      changed[at] = (changed[at] ?? 0) ^ 0x10;
      disk.overwrite(PATH, changed);
      expect((await loadFrom(disk)).ok, `changed at ${at}`).toBe(false);
    }
    disk.overwrite(PATH, content.subarray(0, content.length - 1));
    expect(await loadFrom(disk)).toMatchObject({ reason: expect.stringMatching(/damaged at byte \d+/) as string });
  });

  test('of another format is not read', async () => {
    const frames = new FrameWriter(0);
    frames.add(0, JSON.stringify({ format: 2, node: 'a', entries: 'elsewhere' }));
    frames.add(1, JSON.stringify({ end: 0 }));
    const disk = new JournalDisk();
    disk.overwrite(PATH, Buffer.concat([Buffer.from('weftpic1'), frames.take().bytes]));
    expect(await loadFrom(disk)).toEqual({ ok: false, reason: "its format 2 is another weft's" });
  });

  test('takes no room that the journal may need, and leaves the one before', async () => {
    const disk = new JournalDisk();
    const before = pictureOf(10, 5);
    await savedOn(disk, before);
    disk.capacity = disk.used + 4 * 2 ** 20;
    await expect(savedOn(disk, pictureOf(20, 500))).rejects.toMatchObject({ code: 'journal-full' });
    expect(disk.paths()).toEqual([PATH]);
    expect(await loadFrom(disk)).toEqual({ ok: true, picture: before });
  });

  test('whose file cannot be read is none', async () => {
    const disk = new JournalDisk();
    await savedOn(disk, pictureOf(10, 5));
    disk.onOperation = () => {
      throw diskError('EIO');
    };
    expect(await loadFrom(disk)).toEqual({ ok: false, reason: `${PATH} cannot be read: EIO: simulated` });
  });
});

/** What is under way when the power goes never ends. */
async function untilPowerCut(disk: JournalDisk, picture: Picture, random: Random): Promise<void> {
  const left = random.integer(12);
  let done = 0;
  const cut = new Promise<void>((resolve) => {
    disk.onOperation = () => {
      if (done++ < left) return;
      disk.onOperation = undefined;
      disk.powerCut(random);
      resolve();
    };
  });
  await Promise.race([cut, savedOn(disk, picture)]);
  if (disk.onOperation) disk.powerCut(random);
  disk.onOperation = undefined;
}
