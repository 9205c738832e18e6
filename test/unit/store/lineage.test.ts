import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { lineageFile } from '../../../src/store/lineage-file.ts';
import { Lineage } from '../../../src/store/lineage.ts';
import { silentLog } from '../../../src/store/log.ts';

const header = (revision: number, cluster = 'c') => ({ cluster_id: cluster, revision: String(revision) });
const after = (lineage: Lineage, revision: number, cluster?: string) =>
  lineage.answered(lineage.question(), header(revision, cluster));

describe('what is known of etcd’s history', () => {
  it.each([
    ['a revision that has gone back', header(9)],
    ['another cluster', header(11, 'd')],
  ])('takes %s for a restore', (_, told) => {
    const lineage = new Lineage(undefined, silentLog);
    after(lineage, 10);
    const { replaced } = lineage.question();
    lineage.answered(lineage.question(), told);
    expect(lineage.restored).toMatchObject({ before: { clusterId: 'c', revision: 10 } });
    expect(replaced.aborted).toBe(true);
    expect(lineage.question().replaced.aborted).toBe(false);
  });

  it('takes no answer for a restore that was overtaken by a newer one', () => {
    const lineage = new Lineage(undefined, silentLog);
    after(lineage, 10);
    const early = lineage.question();
    after(lineage, 12);
    lineage.answered(early, header(11));
    expect(lineage.restored).toBeUndefined();
    after(lineage, 11);
    expect(lineage.restored).toBeDefined();
  });

  it('takes no answer of the old history for another restore', () => {
    const lineage = new Lineage(undefined, silentLog);
    after(lineage, 10);
    const early = lineage.question();
    after(lineage, 3);
    lineage.answered(early, header(10));
    after(lineage, 4);
    expect(lineage.restored).toMatchObject({ before: { revision: 10 }, after: { revision: 3 } });
  });

  it('learns from watches how far history has come, and no more', () => {
    const lineage = new Lineage(undefined, silentLog);
    after(lineage, 10);
    lineage.told(lineage.question(), header(8));
    lineage.told(lineage.question(), header(99, 'd'));
    expect(lineage.restored).toBeUndefined();
    lineage.told(lineage.question(), header(20));
    after(lineage, 19);
    expect(lineage.restored).toMatchObject({ before: { revision: 20 } });
  });

  it('keeps what was first until all of several restores are accepted', async () => {
    const lineage = new Lineage(undefined, silentLog);
    after(lineage, 10);
    after(lineage, 5);
    after(lineage, 2);
    expect(lineage.restored).toMatchObject({ before: { revision: 10 }, after: { revision: 2 } });
    await lineage.accept();
    after(lineage, 3);
    expect(lineage.restored).toBeUndefined();
  });
});

describe('the file of it', () => {
  async function path(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'weft-lineage-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    return join(folder, 'state', 'lineage.json');
  }

  it('is made for root alone, and read again', async () => {
    const at = await path();
    expect(await lineageFile(at).load()).toBeUndefined();
    const first = new Lineage(lineageFile(at), silentLog);
    await first.load();
    after(first, 10);
    await first.flush();
    expect((await stat(at)).mode & 0o777).toBe(0o600);
    const second = new Lineage(lineageFile(at), silentLog);
    await second.load();
    after(second, 9);
    await second.flush();
    const third = new Lineage(lineageFile(at), silentLog);
    await third.load();
    expect(third.restored).toMatchObject({ before: { revision: 10 }, after: { revision: 9 } });
    await third.accept();
    expect(JSON.parse(await readFile(at, 'utf8'))).toEqual({ seen: { clusterId: 'c', revision: 9 } });
  });

  it('is kept while the store is open, and a last time when it closes', async () => {
    const at = await path();
    const lineage = new Lineage(lineageFile(at), silentLog);
    const closing = new AbortController();
    const keeping = lineage.keep(closing.signal);
    after(lineage, 10);
    closing.abort();
    await keeping;
    expect(await lineageFile(at).load()).toEqual({ seen: { clusterId: 'c', revision: 10 } });
  });

  it.each(['', '{', '{"seen":{"clusterId":1}}', '{"seen":{"clusterId":"c","revision":1},"restored":{}}', 'null'])(
    'is refused when it is damaged: %s',
    async (text) => {
      const at = await path();
      await lineageFile(at).save({ seen: { clusterId: 'c', revision: 1 } });
      await writeFile(at, text);
      await expect(lineageFile(at).load()).rejects.toMatchObject({ code: 'configuration-invalid', object: at });
    },
  );
});
