/**
 * Builds the addon: a few C files against N-API, so the compiler is called as it is. Headers come from beside the running
 * Node, else from the npm package node-api-headers and the system's libuv.
 *
 *     node build.mjs [--sanitize] [--out FILE]
 *
 * `--sanitize` adds AddressSanitizer and UndefinedBehaviorSanitizer; such an addon loads into a Node that was started with
 * libasan preloaded, so give it a place of its own.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const folder = join(here, 'addon');
const files = readdirSync(folder).map((name) => join(folder, name));
const { values } = parseArgs({ options: { sanitize: { type: 'boolean' }, out: { type: 'string' } } });
const target = resolve(values.out ?? join(here, 'build', 'Release', 'netlink.node'));

/** @returns {string[]} */
function headers() {
  const beside = join(dirname(dirname(process.execPath)), 'include', 'node');
  if (existsSync(join(beside, 'node_api.h')) && existsSync(join(beside, 'uv.h'))) return [`-I${beside}`];
  const require = createRequire(import.meta.url);
  return [`-I${require('node-api-headers').include_dir}`];
}

function upToDate() {
  if (values.sanitize || !existsSync(target)) return false;
  const built = statSync(target).mtimeMs;
  return [...files, fileURLToPath(import.meta.url)].every((file) => statSync(file).mtimeMs < built);
}

if (!upToDate()) {
  mkdirSync(dirname(target), { recursive: true });
  const compiler = process.env.CC ?? 'cc';
  const draft = `${target}.${process.pid}`;
  const flags = ['-std=c11', '-O2', '-g', '-Wall', '-Wextra', '-Werror', '-fPIC', '-shared', '-pthread'];
  // Only the module's entry is anybody else's to see.
  flags.push('-fvisibility=hidden');
  if (values.sanitize) {
    flags.push('-fsanitize=address,undefined', '-fno-sanitize-recover=undefined', '-fno-omit-frame-pointer');
  }
  const sources = files.filter((file) => file.endsWith('.c'));
  const result = spawnSync(compiler, [...flags, '-DNAPI_VERSION=8', ...headers(), '-o', draft, ...sources], {
    stdio: 'inherit',
  });
  if (result.status !== 0) {
    console.error(`native: ${compiler} could not build the addon${result.error ? `: ${result.error.message}` : ''}`);
    process.exit(1);
  }
  // A daemon that has the old file loaded keeps it.
  renameSync(draft, target);
}
