/** The lineage record in a file: small, 0600, written whole or not at all. */
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { WeftError } from '../model/errors.ts';
import type { HistoryMark, LineageKeeper, LineageRecord, Restoration } from './port.ts';

/** Makes the directory of `path`, 0700, where there is none. A damaged file is refused: overwriting it would hide a restore. */
export function lineageFile(path: string): LineageKeeper {
  return {
    load: async () => {
      const text = await readIfPresent(path);
      return text === undefined ? undefined : parse(text, path);
    },
    save: async (record) => {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      const temporary = `${path}.tmp`;
      const file = await open(temporary, 'w', 0o600);
      try {
        await file.writeFile(`${JSON.stringify(record)}\n`);
        // or a power cut could leave an empty file behind the rename
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, path);
    },
  };
}

async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function parse(text: string, path: string): LineageRecord {
  try {
    const record = JSON.parse(text) as Partial<LineageRecord>;
    if (isMark(record.seen) && (record.restored === undefined || isRestoration(record.restored))) {
      return record as LineageRecord;
    }
  } catch {
    // said below
  }
  throw new WeftError('configuration-invalid', `${path} does not hold what is known of etcd's history`, {
    object: path,
    next: 'remove it if etcd was not restored from a backup since this node last ran',
  });
}

function isMark(value: Partial<HistoryMark> | undefined): boolean {
  return typeof value?.clusterId === 'string' && Number.isSafeInteger(value.revision);
}

function isRestoration(value: Partial<Restoration>): boolean {
  return isMark(value.before) && isMark(value.after) && typeof value.noticedAt === 'string';
}
