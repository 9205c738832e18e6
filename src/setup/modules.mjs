/**
 * Node modules, exactly as package-lock.json has them. npm keeps a lock of what is installed beside the modules: where
 * the two agree nothing is done, so the second time needs no network.
 */

import { existsSync, readFileSync } from 'node:fs';
import { must, ROOT, say } from './run.mjs';

export async function installModules() {
  if (agrees()) {
    say('node modules: as locked');
    return;
  }
  say('node modules: npm ci');
  // No package's install script is needed, and none runs as root; native/ is built by build.mjs.
  await must('npm', ['ci', '--include=dev', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund']);
}

function agrees() {
  const installedPath = `${ROOT}/node_modules/.package-lock.json`;
  if (!existsSync(installedPath)) return false;
  const wanted = readPackages(`${ROOT}/package-lock.json`);
  const installed = readPackages(installedPath);
  return Object.entries(wanted).every(([path, { version, integrity, link, optional }]) => {
    if (!path.startsWith('node_modules/') || link) return true;
    // An optional package may be for another machine.
    if (installed[path] === undefined) return optional === true;
    return installed[path].version === version && installed[path].integrity === integrity;
  });
}

function readPackages(path) {
  return JSON.parse(readFileSync(path, 'utf8')).packages;
}
