/** Appends a second on the disk of the temporary folder (`TMPDIR`), beside the same bytes written and synced one by one. */
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { openJournal } from '../../../dist/store/journal/journal.js';
import { nodeFiles } from '../../../dist/store/journal/node-files.js';
import { inTurn, runsTable } from '../rounds.mjs';

const ROUNDS = 5;
const APPENDS = 4_096;
const SINGLE = 512;
const log = { debug: () => undefined, info: () => undefined, warn: (_, message) => console.error(message) };
const header = { node: 'n', machineId: 'm', bootId: 'b', epoch: 1 };

/** What an attach writes: an address and its endpoint. */
function operations(index) {
  const id = `01J${String(index % 10_000).padStart(23, '0')}`;
  return [
    {
      put: `addresses/net/10.1.${(index >> 8) & 255}.${index & 255}`,
      value: { state: 'bound', endpoint: id, node: id, epoch: 1 },
    },
    {
      put: `endpoints/net/${id}`,
      value: { id, name: `docker-${id}`, mac: '02:00:0a:01:00:02', labels: { app: 'web' }, engine: 'docker' },
    },
  ];
}

async function inFolder(work) {
  const folder = await mkdtemp(join(tmpdir(), 'weft-bench-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** `appends` of them, `concurrent` at a time; then the journal is read again and must have all. */
function journal(concurrent, appends) {
  return inFolder(async (folder) => {
    const options = { directory: join(folder, 'journal'), files: nodeFiles, header, log };
    const written = await openJournal(options);
    let next = 0;
    const writer = async () => {
      while (next < appends) await written.append(operations(next++)).durable;
    };
    const start = performance.now();
    await Promise.all(Array.from({ length: concurrent }, writer));
    const milliseconds = performance.now() - start;
    await written.close();
    const read = await openJournal(options);
    if (read.sequence !== appends) throw new Error(`${read.sequence} of ${appends} entries`);
    await read.close();
    return { milliseconds };
  });
}

/** The floor: one write and one fdatasync each. */
function plain(appends) {
  return inFolder(async (folder) => {
    const file = await open(join(folder, 'plain'), 'w');
    const start = performance.now();
    for (let index = 0; index < appends; index++) {
      await file.write(JSON.stringify(operations(index)));
      await file.datasync();
    }
    const milliseconds = performance.now() - start;
    await file.close();
    return { milliseconds };
  });
}

export async function* bench({ rounds = ROUNDS }) {
  const single = [
    { name: 'journal, 1 at a time', run: () => journal(1, SINGLE) },
    { name: 'write and fdatasync', run: () => plain(SINGLE) },
  ];
  const singly = await inTurn(single, rounds);
  yield runsTable(`${SINGLE} entries, one after the other`, { operations: SINGLE, results: singly });
  const groups = [16, 256].map((concurrent) => ({
    name: `journal, ${concurrent} at a time`,
    run: () => journal(concurrent, APPENDS),
  }));
  const together = await inTurn(groups, rounds);
  yield runsTable(`${APPENDS} entries, many at a time`, { operations: APPENDS, results: together });
}
