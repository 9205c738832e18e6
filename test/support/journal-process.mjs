/**
 * A process of its own with a journal on real files. `node journal-process.mjs FOLDER MODE DIRECTORY`: FOLDER has a bundled
 * src/store/journal; MODE is `loop` (appends until it is killed, and prints each sequence that is durable) or `full` (fills
 * the file system of DIRECTORY, and prints what it met).
 */
import { rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

const [, , module, mode, directory] = process.argv;
const { openJournal } = await import(pathToFileURL(join(module, 'journal.mjs')).href);
const { nodeFiles } = await import(pathToFileURL(join(module, 'node-files.mjs')).href);
const log = { debug: () => undefined, info: () => undefined, warn: () => undefined };
const header = { node: 'n', machineId: 'm', bootId: 'b', epoch: 1 };
const RESERVE = 2 ** 17;

const open = (limits) => openJournal({ directory, files: nodeFiles, header, log, limits });
const say = (line) => writeSync(1, `${line}\n`);
const put = (sequence) => [{ put: `k/${sequence % 50}`, value: { sequence, text: 'x'.repeat(200) } }];

/** Eight at a time, so that groups are written while others gather. */
async function loop() {
  const journal = await open({ logBytes: 2 ** 15, reserveBytes: 4096 });
  const writer = async () => {
    for (;;) {
      const { sequence, durable } = journal.append(put(journal.sequence + 1));
      await durable;
      say(sequence);
      journal.publishedUpTo(sequence - 20);
    }
  };
  await Promise.all(Array.from({ length: 8 }, writer));
}

/** 'written', or the code of the error. */
async function outcome(journal, kind) {
  try {
    await journal.append(put(journal.sequence + 1), kind).durable;
    return 'written';
  } catch (error) {
    return error.code;
  }
}

/** Takes all the room there is, block by block. */
function fill(ballast) {
  for (const size of [65536, 4096]) {
    try {
      for (;;) writeFileSync(ballast, Buffer.alloc(size, 1), { flag: 'a', flush: true });
    } catch (error) {
      if (error.code !== 'ENOSPC') throw error;
    }
  }
}

async function full() {
  const ballast = join(directory, '..', 'ballast');
  const journal = await open({ reserveBytes: RESERVE });
  const reserve = () => statSync(join(directory, 'reserve')).size;
  const met = { reserve: reserve(), before: await outcome(journal, 'normal') };
  fill(ballast);
  // what a block of the log still had room for
  for (let tries = 0; tries < 1000 && !journal.full; tries++) await outcome(journal, 'release');
  met.normal = await outcome(journal, 'normal');
  met.releases = [];
  for (let tries = 0; tries < 50; tries++) met.releases.push(await outcome(journal, 'release'));
  met.reserveGiven = reserve();
  const { sequence } = journal;
  await journal.close();
  const again = await open({ reserveBytes: RESERVE });
  met.lost = sequence - again.sequence;
  met.afterRestart = [await outcome(again, 'normal'), await outcome(again, 'release')];
  rmSync(ballast);
  const end = performance.now() + 10_000;
  while ((met.afterRoom = await outcome(again, 'normal')) !== 'written' && performance.now() < end) await sleep(5);
  met.reserveTaken = reserve();
  await again.close();
  say(JSON.stringify(met));
}

await (mode === 'loop' ? loop() : full());
