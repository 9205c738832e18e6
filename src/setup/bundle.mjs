/**
 * The two commands as a few files each of what are nearly a thousand modules: finding and reading those one by one is half
 * the time that a daemon or a command takes to start.
 */

import { readFileSync, rmSync } from 'node:fs';
import { relative } from 'node:path';
import { ROOT } from './run.mjs';

/** They read files beside themselves (.proto, workers), or must be the one copy that those use. */
const WHOLE = ['@grpc/', 'etcd3', 'grpc-health-check', 'pino', 'protobufjs'];

/** From what was compiled to where package.json says that each command is; modules still know where they stood. */
export async function bundleCommands() {
  // not installed yet when the set-up begins
  const { rolldown } = await import('rolldown');
  const { bin } = JSON.parse(readFileSync(`${ROOT}/package.json`, 'utf8'));
  const folder = `${ROOT}/dist/bin`;
  const bundle = await rolldown({
    cwd: ROOT,
    input: { [bin.weft]: 'dist/cli/main.js', [bin.weftd]: 'dist/main.js' },
    platform: 'node',
    external: (id) => WHOLE.some((name) => id.startsWith(name)),
    plugins: [{ name: 'places', transform: (code, id) => placed(code, relative(folder, id)) }],
  });
  rmSync(folder, { recursive: true, force: true });
  await bundle.write({ dir: ROOT, entryFileNames: '[name]', chunkFileNames: 'dist/bin/[name].js' });
  await bundle.close();
}

function placed(code, path) {
  if (path.includes('\0') || !code.includes('import.meta.url')) return undefined;
  return { code: code.replaceAll('import.meta.url', `new URL(${JSON.stringify(path)}, import.meta.url).href`) };
}
