/** The journal on files of this machine, in processes that are killed and on file systems that are full. */
import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openJournal } from '../../../src/store/journal/journal.ts';
import { nodeFiles } from '../../../src/store/journal/node-files.ts';
import { silentLog } from '../../../src/store/log.ts';
import { writePlain } from '../../support/sim-plain.ts';

const run = promisify(execFile);
const program = new URL('../../support/journal-process.mjs', import.meta.url).pathname;
const header = { node: 'n', machineId: 'm', bootId: 'b', epoch: 1 };

let folder = '';
let compiled = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weft-journal-'));
  compiled = join(folder, 'compiled');
  const modules = ['journal', 'node-files'].map((name) => [name, `src/store/journal/${name}.ts`]);
  await writePlain(Object.fromEntries(modules) as Record<string, string>, compiled);
}, 60_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs until it has said `lines` sequences, and is then killed where it stands; the last one said. */
async function appendsUntilKilled(directory: string, lines: number): Promise<number> {
  const child = spawn(process.execPath, [program, compiled, 'loop', directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let last = 0;
  let count = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    last = Math.max(last, Number(line));
    if (++count === lines) child.kill('SIGKILL');
  }
  return last;
}

describe('a journal on a real disk', { timeout: 120_000 }, () => {
  it('has all that was durable after its process was killed, again and again', async () => {
    const directory = join(folder, 'killed');
    for (const lines of [1, 40, 333, 700]) {
      const last = await appendsUntilKilled(directory, lines);
      const journal = await openJournal({ directory, files: nodeFiles, header, log: silentLog });
      expect(journal.sequence).toBeGreaterThanOrEqual(last);
      for (let sequence = Math.max(1, journal.sequence - 49); sequence <= journal.sequence; sequence++) {
        expect(journal.get(`k/${sequence % 50}`)).toMatchObject({ sequence });
      }
      await journal.close();
    }
  });

  it('is for its owner alone', async () => {
    const directory = join(folder, 'mode');
    const journal = await openJournal({ directory, files: nodeFiles, header, log: silentLog });
    await journal.close();
    const mode = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);
    expect(await mode(directory)).toBe('700');
    for (const name of await nodeFiles.list(directory)) expect(await mode(join(directory, name)), name).toBe('600');
  });

  it('has its reserve on the disk, block by block', async () => {
    const directory = join(folder, 'reserve');
    const journal = await openJournal({ directory, files: nodeFiles, header, log: silentLog });
    await journal.close();
    const { size, blocks } = await stat(join(directory, 'reserve'));
    expect(blocks * 512).toBeGreaterThanOrEqual(size);
  });

  // in a mount namespace of the child's own, which ends with it
  it.for([
    ['tmpfs', 'mount -t tmpfs -o size=2m tmpfs "$1"'],
    ['ext4', 'truncate -s 8M "$1.image" && mkfs.ext4 -q -F -m 0 "$1.image" && mount -o loop "$1.image" "$1"'],
  ] as const)('takes releases, and nothing else, when %s is full', async ([name, mount], { skip }) => {
    const point = join(folder, name);
    await mkdir(point);
    const inside = (script: string, ...rest: string[]) =>
      run('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', point, ...rest]);
    try {
      await inside(mount);
    } catch (error) {
      skip(`this machine cannot mount ${name}: ${String(error)}`);
    }
    const script = `${mount} && shift && exec "$@"`;
    const { stdout } = await inside(script, process.execPath, program, compiled, 'full', join(point, 'journal'));
    expect(JSON.parse(stdout)).toEqual({
      reserve: 2 ** 17,
      before: 'written',
      normal: 'journal-full',
      releases: Array.from({ length: 50 }, () => 'written'),
      reserveGiven: 0,
      lost: 0,
      afterRestart: ['journal-full', 'written'],
      afterRoom: 'written',
      reserveTaken: 2 ** 17,
    });
  });
});
