/** The files of a managed etcd: its configuration, and whose they are. */
import { chmod, chown, lchown, mkdir, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Owner } from './supervisor.ts';

/** What counts at a member's first start only: a change of it is no reason to restart one. */
const FIRST_START = ['initial-cluster', 'initial-cluster-state', 'initial-cluster-token'];

/** Beside the configuration from before it changes until etcd runs with it, so that a crash in between is made good. */
const PENDING = '.changed';

/** True when an etcd that runs does not know this configuration. */
export async function writeConfiguration(path: string, content: string, owner?: Owner): Promise<boolean> {
  const before = await readFile(path, 'utf8').catch(() => undefined);
  const pending = (await readFile(`${path}${PENDING}`).catch(() => undefined)) !== undefined;
  const counts = before !== undefined && essence(before) !== essence(content);
  if (counts && !pending) await writePrivate(`${path}${PENDING}`, '');
  await writePrivate(path, content, owner);
  return pending || counts;
}

export async function configurationApplied(path: string): Promise<void> {
  await rm(`${path}${PENDING}`, { force: true });
}

/**
 * 0600, on disk when this returns; a reader sees the old file or the new one. Its directory is root's alone to write to,
 * or somebody else could put a link in the way of the change of owner.
 */
export async function writePrivate(path: string, content: string, owner?: Owner): Promise<void> {
  const file = await open(`${path}.tmp`, 'w', 0o600);
  try {
    await file.chmod(0o600);
    if (owner) await file.chown(owner.uid, owner.gid);
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.tmp`, path);
  await syncDirectory(dirname(path));
}

export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Made or narrowed to 0700; with an owner it stays root's, and the owner may pass through it. */
export async function privateDirectory(path: string, owner?: Owner): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  if (owner) await chown(path, 0, owner.gid);
  await chmod(path, owner ? 0o710 : 0o700);
}

/**
 * A folder that its owner writes to. What is below it changes hands only while the folder itself is not theirs yet: from
 * then on they could put links in our way.
 */
export async function ownedDirectory(path: string, owner?: Owner): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  if (!owner || (await stat(path)).uid === owner.uid) return;
  for (const entry of await readdir(path, { withFileTypes: true, recursive: true })) {
    await lchown(join(entry.parentPath, entry.name), owner.uid, owner.gid);
  }
  await chown(path, owner.uid, owner.gid);
}

function essence(content: string): string {
  try {
    const settings = JSON.parse(content) as Record<string, unknown>;
    return JSON.stringify(Object.entries(settings).filter(([name]) => !FIRST_START.includes(name)));
  } catch {
    return content;
  }
}
