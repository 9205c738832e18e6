/** The snapshots that weftd makes by itself: which are there, whether one is due, which may go. */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { privateDirectory } from './files.ts';
import type { Maintenance } from './maintenance.ts';
import { saveSnapshot } from './snapshot.ts';

export interface Backup {
  path: string;
  takenAt: Date;
  bytes: number;
}

/** milliseconds */
export const BACKUP_INTERVAL = 24 * 3_600_000;

/** etcd-20260102T030405Z.db */
const NAME = /^etcd-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z\.db$/;

/** Newest first; files of other names are not ours and left alone. */
export async function listBackups(folder: string): Promise<Backup[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  });
  const found = await Promise.all(names.map((name) => backupAt(join(folder, name), name)));
  return found.filter((backup) => backup !== undefined).sort((a, b) => b.takenAt.getTime() - a.takenAt.getTime());
}

/** One that lies in the future, by a clock that was wrong, must not keep others from being made. */
export function isBackupDue(backups: readonly Backup[], now: Date): boolean {
  const age = (backup: Backup): number => now.getTime() - backup.takenAt.getTime();
  return !backups.some((backup) => age(backup) >= 0 && age(backup) < BACKUP_INTERVAL);
}

/** Makes one and removes the oldest beyond `keep`; what was kept stays when a new one cannot be made. */
export async function makeBackup(
  maintenance: Maintenance,
  { folder, keep, now, signal }: { folder: string; keep: number; now: Date; signal?: AbortSignal },
): Promise<Backup> {
  await privateDirectory(folder);
  const takenAt = new Date(Math.floor(now.getTime() / 1_000) * 1_000);
  const path = join(folder, `etcd-${takenAt.toISOString().replaceAll(/[-:]|\.\d+/g, '')}.db`);
  const bytes = await saveSnapshot(maintenance, path, signal && { signal });
  // what a wrong clock dated into the future does not push out what was made just now
  const others = (await listBackups(folder)).filter((backup) => backup.path !== path);
  for (const { path: old } of others.slice(keep - 1)) await rm(old, { force: true });
  return { path, takenAt, bytes };
}

async function backupAt(path: string, name: string): Promise<Backup | undefined> {
  const parts = NAME.exec(name);
  if (!parts) return undefined;
  const [year, month, day, hour, minute, second] = parts.slice(1);
  const takenAt = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  const bytes = await stat(path).then(
    ({ size }) => size,
    () => undefined,
  );
  return bytes === undefined || Number.isNaN(takenAt.getTime()) ? undefined : { path, takenAt, bytes };
}
