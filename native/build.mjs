/**
 * Builds the addon: one C file against N-API, so the compiler is called as it is. `--sanitize` adds AddressSanitizer.
 * Headers come from beside the running Node, else from the npm package node-api-headers and the system's libuv.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, 'addon', 'netlink.c');
const target = join(here, 'build', 'Release', 'netlink.node');
const sanitize = process.argv.includes('--sanitize');

/** @returns {string[]} */
function headers() {
  const beside = join(dirname(dirname(process.execPath)), 'include', 'node');
  if (existsSync(join(beside, 'node_api.h')) && existsSync(join(beside, 'uv.h'))) return [`-I${beside}`];
  const require = createRequire(import.meta.url);
  return [`-I${require('node-api-headers').include_dir}`];
}

function upToDate() {
  if (sanitize || !existsSync(target)) return false;
  const built = statSync(target).mtimeMs;
  return [source, fileURLToPath(import.meta.url)].every((file) => statSync(file).mtimeMs < built);
}

if (!upToDate()) {
  mkdirSync(dirname(target), { recursive: true });
  const compiler = process.env.CC ?? 'cc';
  const draft = `${target}.${process.pid}`;
  const flags = ['-std=c11', '-O2', '-g', '-Wall', '-Wextra', '-Werror', '-fPIC', '-shared', '-pthread'];
  if (sanitize) flags.push('-fsanitize=address', '-fno-omit-frame-pointer');
  const result = spawnSync(compiler, [...flags, '-DNAPI_VERSION=8', ...headers(), '-o', draft, source], {
    stdio: 'inherit',
  });
  if (result.status !== 0) {
    console.error(`native: ${compiler} could not build the addon${result.error ? `: ${result.error.message}` : ''}`);
    process.exit(1);
  }
  // A daemon that has the old file loaded keeps it.
  renameSync(draft, target);
}
