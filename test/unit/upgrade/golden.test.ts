/**
 * What every level of the state looked like (golden/<level>/): today's weft reads it, and writes no less. A form that changes is a
 * new level with a golden state of its own; one that only grows is added to the newest: WEFT_GOLDEN=write writes that again.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config.ts';
import { startFrom } from '../../../src/control/kept/start.ts';
import { keys } from '../../../src/model/keys.ts';
import { LEVEL } from '../../../src/model/level.ts';
import { lineageFile } from '../../../src/store/lineage-file.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { pictureFile } from '../../../src/store/picture/file.ts';
import { TestCluster } from '../../support/control.ts';
import { JOURNAL, makeGoldenState, openGolden } from '../../support/golden-state.ts';
import type { GoldenState } from '../../support/golden-state.ts';
import { JournalDisk } from '../../support/journal-disk.ts';
import { pathsIn } from './paths.ts';

type Entries = GoldenState['entries'];

const golden = new URL('golden/', import.meta.url).pathname;
const levels = readdirSync(golden).map(Number);
const NODE = '01K0000000000000000000H0ST';
const header = { node: NODE, machineId: 'm', bootId: 'boot-host1', epoch: 1 };

const read = (level: number, file: string) => readFileSync(join(golden, String(level), file));
const json = (level: number, file: string) => JSON.parse(read(level, file).toString()) as unknown;

let folder: string;
let made: GoldenState;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weft-golden-'));
  made = await makeGoldenState(folder);
  if (process.env.WEFT_GOLDEN === 'write') await write();
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Into the newest level's folder. */
async function write(): Promise<void> {
  const at = join(golden, String(LEVEL));
  mkdirSync(join(at, 'journal'), { recursive: true });
  const put = (name: string, value: unknown) =>
    writeFileSync(join(at, name), typeof value === 'string' ? value : `${JSON.stringify(value, undefined, 2)}\n`);
  put('etcd.json', made.entries);
  put('journal.json', made.journal);
  rmSync(join(at, 'journal'), { recursive: true });
  mkdirSync(join(at, 'journal'));
  for (const path of made.disk.paths()) {
    writeFileSync(join(at, 'journal', path.slice(JOURNAL.length + 1)), made.disk.content(path) ?? '');
  }
  const disk = new JournalDisk();
  const entries = made.entries.map((entry) => ({ ...entry, revision: 1, created: 1 }));
  const head = { node: NODE, cluster: '01K0000000000000000000CLST', revision: 9, takenAt: '2026-01-01T00:00:00.000Z' };
  await pictureFile('/p/picture', disk.files()).save({ ...head, entries });
  writeFileSync(join(at, 'picture'), disk.content('/p/picture') ?? '');
  put('views.json', await viewsOf(made.entries));
}

/** What users see of a store that holds these entries. */
async function viewsOf(entries: Entries): Promise<object> {
  const cluster = new TestCluster();
  const store = new MemoryStore(cluster.shared);
  await store.transact({ compare: [], then: entries.map(({ key, value }) => ({ put: key, value })) });
  const { control } = await cluster.node('reader');
  const state = {
    tenants: await control.listTenants(),
    networks: await control.listNetworks({}),
    endpoints: await control.listEndpoints({}),
    nodes: (await control.listNodes()).filter(({ name }) => name !== 'reader'),
    engines: await control.listEngines({}),
    tokens: await control.listTokens(),
    routers: await control.listRouters({}),
    egress: await control.getEgress('acme'),
  };
  await cluster.close();
  return JSON.parse(JSON.stringify(state, (key, value: unknown) => (key === 'revision' ? undefined : value))) as object;
}

/** Of a record, whatever it names: "networks/*". */
function kindOf(key: string): string {
  const parts = key.split('/');
  return parts[0] === 'cluster' ? key : parts[0] === 'names' ? parts.slice(0, 2).join('/') : (parts[0] ?? '');
}

function formOf(entries: Entries): string[] {
  const paths = entries.flatMap(({ key, value }) => pathsIn(value).map((path) => `${kindOf(key)} ${path}`));
  return [...new Set(paths)].sort();
}

it('there is a golden state of every level', () => {
  expect(levels.sort((a, b) => a - b)).toEqual(Array.from({ length: LEVEL }, (_, i) => i + 1));
});

describe('the newest golden state', () => {
  it('has every kind of record, and every field that today’s weft writes is one it had, or was added', () => {
    const now = formOf(made.entries);
    const then = formOf(json(LEVEL, 'etcd.json') as Entries);
    const lost = then.filter((path) => !now.includes(path));
    expect(
      lost,
      'gone or renamed: readers of this level would miss it; raise LEVEL and keep reading the old form',
    ).toEqual([]);
    const kinds = new Set(then.map((path) => path.split(' ')[0]));
    const known = Object.values(keys).map((key) => kindOf(typeof key === 'string' ? key : callWith(key)));
    expect(
      [...new Set(known)].filter((kind) => !kinds.has(kind)),
      'add them in test/support/golden-state.ts',
    ).toEqual([]);
  });
});

/** Its parts stand for ids. */
function callWith(key: (...parts: never[]) => string): string {
  return (key as (...parts: string[]) => string)('a', 'b', 'c', 'd');
}

describe.each(levels)('a state of level %i', (level) => {
  it('is read from etcd, and shown as it was', async () => {
    expect(await viewsOf(json(level, 'etcd.json') as Entries)).toMatchObject(json(level, 'views.json') as object);
  });

  it('is read from the journal: snapshot, log, and what had not reached etcd', async () => {
    const disk = new JournalDisk();
    const names = readdirSync(join(golden, String(level), 'journal'));
    for (const name of names) disk.overwrite(join(JOURNAL, name), read(level, `journal/${name}`));
    expect(names).toEqual(
      expect.arrayContaining([expect.stringMatching(/^snapshot-/), expect.stringMatching(/^log-/)]),
    );
    const journal = await openGolden(disk, { ...header, bootId: 'another' });
    const order = (a: [string, unknown], b: [string, unknown]) => (a[0] < b[0] ? -1 : 1);
    expect(journal.header).toEqual(header);
    expect([...journal.entries()].sort(order)).toEqual(json(level, 'journal.json'));
    expect(journal.pending(journal.published, Infinity).at(-1)?.operations).toEqual([
      { put: 'restoration', value: 'r1' },
    ]);
    await journal.close();
  });

  it('is read from the kept picture', async () => {
    const disk = new JournalDisk();
    disk.overwrite('/p/picture', read(level, 'picture'));
    const found = startFrom(await pictureFile('/p/picture', disk.files()).load(), NODE);
    if (!found.ok) throw new Error(found.reason);
    expect(found.start).toMatchObject({ revision: 9, settings: { overlayPort: 14789 } });
    const kept = found.start.entries.map(({ key, value }) => ({ key, value }));
    const etcd = json(level, 'etcd.json') as Entries;
    expect(etcd).toEqual(expect.arrayContaining(kept));
    expect(kept.length).toBeGreaterThan(etcd.length / 2);
  });

  it('is read from what is kept of etcd’s history, and from a configuration with every setting', async () => {
    const history = await lineageFile(join(golden, String(level), 'lineage.json')).load();
    expect(history).toEqual(json(level, 'lineage.json'));
    const file = { path: join(golden, String(level), 'weft.yaml'), required: true };
    const config = await loadConfig({ file, environment: {}, flags: {} });
    expect(config).toMatchObject(json(level, 'config.json') as object);
  });
});
