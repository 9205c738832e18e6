#!/usr/bin/env node
/**
 * `npm run build`: the native addon, the generated gRPC types, both TypeScript projects, and the two commands bundled
 * and linked into node_modules/.bin, where `npx --no weft` looks. A step whose inputs are what they were at its last success is
 * skipped.
 */

import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { buildStep } from './build-step.mjs';
import { bundleCommands } from './bundle.mjs';
import { main, must, ROOT, say } from './run.mjs';

const TSC = 'node_modules/typescript/bin/tsc';

export async function build() {
  await buildStep({
    name: 'native addon',
    inputs: ['native/addon', 'native/build.mjs', 'native/package.json'],
    context: process.version,
    outputs: ['native/build/Release/netlink.node'],
    run: () => must(process.execPath, ['native/build.mjs']),
  });
  const { bin, scripts } = JSON.parse(readFileSync(`${ROOT}/package.json`, 'utf8'));
  if (scripts.proto !== undefined) {
    await buildStep({
      name: 'gRPC types',
      inputs: ['src/api/proto', 'package-lock.json'],
      context: scripts.proto,
      outputs: ['src/api/generated'],
      run: () => must('npm', ['run', '--silent', 'proto']),
    });
  }
  await buildStep({
    name: 'netlink-ts',
    inputs: ['native/netlink-ts', 'native/tsconfig.json', 'tsconfig.json', 'package-lock.json'],
    outputs: ['native/dist/index.js'],
    run: () => compile('native/tsconfig.json', { source: 'native/netlink-ts', out: 'native/dist' }),
  });
  await buildStep({
    name: 'weft',
    inputs: ['src', 'tsconfig.json', 'package.json', 'package-lock.json', 'native/netlink-ts'],
    outputs: ['dist', ...Object.values(bin)],
    run: async () => {
      await compile('tsconfig.json', { source: 'src', out: 'dist' });
      if (existsSync(`${ROOT}/src/api/proto`)) {
        cpSync(`${ROOT}/src/api/proto`, `${ROOT}/dist/api/proto`, { recursive: true });
      }
      await bundleCommands();
    },
  });
  linkCommands(bin);
}

/** Types are `npm run typecheck`'s and `npm test`'s to check: whoever builds waits a third of the time. */
async function compile(project, { source, out }) {
  await must(process.execPath, [TSC, '-p', project, '--noCheck']);
  removeOrphans(source, out);
}

/** What was compiled from a source that is gone would still be found by an import. */
function removeOrphans(source, out) {
  for (const entry of readdirSync(`${ROOT}/${out}`, { recursive: true, withFileTypes: true })) {
    const module = /^(.*?)(\.d\.ts|\.js)(\.map)?$/.exec(entry.name)?.[1];
    if (!entry.isFile() || module === undefined) continue;
    const folder = entry.parentPath.replace(`${ROOT}/${out}`, `${ROOT}/${source}`);
    if (!existsSync(`${folder}/${module}.ts`)) rmSync(`${entry.parentPath}/${entry.name}`);
  }
}

/** npm links the commands of dependencies, not those of the checkout itself. */
function linkCommands(bin) {
  for (const [command, path] of Object.entries(bin)) {
    if (!existsSync(`${ROOT}/${path}`)) {
      say(`${command}: ${path} is not there, not linked`);
      continue;
    }
    chmodSync(`${ROOT}/${path}`, 0o755);
    const link = `${ROOT}/node_modules/.bin/${command}`;
    mkdirSync(dirname(link), { recursive: true });
    rmSync(link, { force: true });
    symlinkSync(`../../${path}`, link);
  }
}

if (process.argv[1] === import.meta.filename) await main(build);
