#!/usr/bin/env node
/**
 * `npm run setup`: from a Debian with Node, npm and root to a checkout in which `npx --no weft` works. It can be run any
 * number of times; what is done already is left alone, and then nothing needs the network. No dependency of ours is there
 * yet when it starts: only Node's own modules may be imported in this folder.
 */

import { existsSync } from 'node:fs';
import { build } from './build.mjs';
import { installModules } from './modules.mjs';
import { installPackages } from './packages.mjs';
import { main, say, SetupError } from './run.mjs';

const NODE_NEEDED = [20, 19];

export async function setup() {
  checkMachine();
  await installPackages();
  await installModules();
  await build();
  say('ready: try npx --no weft --help');
}

function checkMachine() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < NODE_NEEDED[0] || (major === NODE_NEEDED[0] && minor < NODE_NEEDED[1])) {
    throw new SetupError(`Node ${process.versions.node} is too old: ${NODE_NEEDED.join('.')} or newer is needed`);
  }
  if (process.platform !== 'linux' || !existsSync('/usr/bin/apt-get')) {
    throw new SetupError('this is for Debian: there is no apt-get here. README.md lists what to install by hand');
  }
  if (process.getuid() !== 0) {
    throw new SetupError('root is needed to install packages and make namespaces: sudo npm run setup');
  }
}

if (process.argv[1] === import.meta.filename) await main(setup);
