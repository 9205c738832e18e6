/** Small files of /proc, as far as they are there. */
import { access, readdir, readFile } from 'node:fs/promises';

export async function textOf(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch(() => '');
}

export async function wordsIn(path: string): Promise<string[]> {
  return (await textOf(path)).split(/\s+/).filter((word) => word !== '');
}

export async function numberIn(path: string): Promise<number | undefined> {
  const [word = ''] = await wordsIn(path);
  return /^\d+$/.test(word) ? Number(word) : undefined;
}

/** Paths of those with the ending, folder by folder, by name. */
export async function filesIn(folders: readonly string[], ending: string): Promise<string[]> {
  const listed = await Promise.all(folders.map((folder) => readdir(folder).catch(() => [])));
  return folders.flatMap((folder, i) => {
    const names = listed[i]?.filter((name) => name.endsWith(ending)) ?? [];
    return names.sort().map((name) => `${folder}/${name}`);
  });
}

export async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
