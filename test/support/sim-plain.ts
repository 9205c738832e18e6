/**
 * Sources as plain modules of JavaScript: for processes of their own, and for the simulation, since where a test runner stands
 * between modules each use of an import costs a look-up, and a run is made of those.
 */
import { isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Writes `<name>.mjs` below `folder` for each module by name, with all that they import of this repository. */
export async function writePlain(modules: Record<string, string>, folder: string): Promise<void> {
  const isPackage = (id: string): boolean => !id.startsWith('.') && !isAbsolute(id);
  const bundle = await rolldown({ cwd: ROOT, input: modules, platform: 'node', external: isPackage });
  await bundle.write({ dir: folder, entryFileNames: '[name].mjs', chunkFileNames: '[name].mjs' });
  await bundle.close();
}

/** Below it packages are found as in the sources. */
export function plainFolder(name: string): string {
  return join(ROOT, 'node_modules/.cache', name);
}
