/**
 * `box`, the image that every engine of a lab has: busybox with its applets, iputils' ping (busybox's cannot forbid
 * fragments), iperf3 and socat with the libraries they need. Made of the machine's own programs, as there may be no
 * registry to reach; kept as a tar until one of them changes.
 */
import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readdir, rename, rm, stat, symlink, writeFile, chmod } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { WeftError } from '../model/errors.ts';
import { runTool } from './failure.ts';
import type { LabHost } from './host.ts';
import { IMAGE_CACHE } from './state.ts';

export const IMAGE = 'box';
const RECIPE = 1;
const BUSYBOX = '/bin/busybox';
const SHELL = '/bin/dash';
const PROGRAMS = ['/bin/ping', '/usr/bin/iperf3', '/usr/bin/socat'];
const IMPORT_TIMEOUT = 60_000;

/** The path of the image's tar, made if need be. */
export async function prepareImage(): Promise<string> {
  const libraries = await librariesOf([SHELL, ...PROGRAMS]);
  const files = [BUSYBOX, ...PROGRAMS, ...libraries];
  const path = join(IMAGE_CACHE, `${IMAGE}-${await digestOf([SHELL, ...files])}.tar`);
  if ((await stat(path).catch(() => undefined)) !== undefined) return path;
  await mkdir(IMAGE_CACHE, { recursive: true, mode: 0o755 });
  const work = await mkdtemp(join(IMAGE_CACHE, 'making-'));
  try {
    const root = join(work, 'root');
    await fillRoot(root, files);
    await runTool('tar', [
      '--sort=name',
      '--owner=0',
      '--group=0',
      '--numeric-owner',
      '-C',
      root,
      '-cf',
      `${work}/tar`,
      '.',
    ]);
    await removeOlder();
    await rename(`${work}/tar`, path);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return path;
}

async function removeOlder(): Promise<void> {
  for (const name of await readdir(IMAGE_CACHE)) {
    if (name.startsWith(`${IMAGE}-`)) await rm(join(IMAGE_CACHE, name), { force: true });
  }
}

export async function importImage(host: LabHost, tar: Buffer): Promise<void> {
  const changes = ['ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'CMD ["sh"]'].flatMap((change) => ['--change', change]);
  const result = await host.exec(['docker', 'import', ...changes, '-', IMAGE], { input: tar, timeout: IMPORT_TIMEOUT });
  if (result.exitCode === 0) return;
  throw new WeftError('lab-failed', `docker import: ${result.stderr.trim()}`, { host: host.name });
}

async function fillRoot(root: string, files: string[]): Promise<void> {
  for (const file of files) {
    await mkdir(dirname(root + file), { recursive: true });
    await copyFile(file, root + file);
  }
  // busybox's own shell would run its applets where iputils' ping is meant
  await copyFile(SHELL, `${root}/bin/sh`);
  const applets = (await runTool(BUSYBOX, ['--list'])).split('\n').filter((name) => /^[a-z0-9_.[-]+$/.test(name));
  const taken = new Set(['sh', ...files.map((file) => file.slice(file.lastIndexOf('/') + 1))]);
  for (const applet of applets) {
    if (!taken.has(applet)) await symlink('busybox', `${root}/bin/${applet}`);
  }
  for (const directory of ['dev', 'etc', 'proc', 'root', 'run', 'sys', 'tmp', 'var']) {
    await mkdir(`${root}/${directory}`, { recursive: true });
  }
  await chmod(`${root}/tmp`, 0o1777);
  await writeFile(`${root}/etc/passwd`, 'root:x:0:0:root:/root:/bin/sh\n');
  await writeFile(`${root}/etc/group`, 'root:x:0:\n');
}

/** Absolute paths, the dynamic linker among them. */
async function librariesOf(programs: string[]): Promise<string[]> {
  const text = await runTool('ldd', programs);
  return [...new Set([...text.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].flatMap((match) => match[1] ?? []))].sort();
}

async function digestOf(files: string[]): Promise<string> {
  const hash = createHash('sha256').update(String(RECIPE));
  for (const file of files) {
    const { size, mtimeMs } = await stat(file);
    hash.update(`\n${file} ${size} ${mtimeMs}`);
  }
  return hash.digest('hex').slice(0, 16);
}
