/**
 * Engines put their containers' cgroups below /weft-lab/LAB/HOST of every hierarchy (cgroup v1) or of the one (v2). They
 * outlive the processes in them, so a power cut and `down` remove them.
 */
import { readdir, rmdir } from 'node:fs/promises';
import { until } from './wait.ts';

const ROOT = '/sys/fs/cgroup';
const DEADLINE = 10_000;

export function controlGroup(lab: string, host?: string): string {
  return host === undefined ? `weft-lab/${lab}` : `weft-lab/${lab}/${host}`;
}

export async function removeControlGroups(lab: string, host?: string): Promise<void> {
  const hierarchies = [ROOT, ...(await subdirectories(ROOT)).map((name) => `${ROOT}/${name}`)];
  for (const hierarchy of hierarchies) {
    const path = `${hierarchy}/${controlGroup(lab, host)}`;
    // a process that was killed stays a member until it has been waited for
    await until(() => removeTree(path), { what: `${path} is still in use`, deadline: DEADLINE });
    // kept by another host or lab, if there is one
    for (const parent of [`weft-lab/${lab}`, 'weft-lab']) await rmdir(`${hierarchy}/${parent}`).catch(() => undefined);
  }
}

/** False when something below is busy. The files in a cgroup's directory are not removed one by one. */
async function removeTree(path: string): Promise<boolean> {
  for (const child of await subdirectories(path)) {
    if (!(await removeTree(`${path}/${child}`))) return false;
  }
  try {
    await rmdir(path);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

async function subdirectories(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}
