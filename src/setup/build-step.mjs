/** A step of the build that knows when it need not run: a digest of its inputs, kept where `npm ci` clears it. */

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { ROOT, say } from './run.mjs';

const STAMPS = `${ROOT}/node_modules/.cache/weft`;

/**
 * `inputs` are files or folders of the checkout, `context` whatever else the result depends on, `outputs` what must be
 * there for the step to count as done.
 */
export async function buildStep({ name, inputs, context = '', outputs, run }) {
  const stamp = `${STAMPS}/${name.replaceAll(' ', '-')}`;
  const digest = digestOf(inputs, context);
  const done = existsSync(stamp) && readFileSync(stamp, 'utf8') === digest;
  if (done && outputs.every((path) => existsSync(`${ROOT}/${path}`))) {
    say(`${name}: up to date`);
    return;
  }
  say(`${name}: building`);
  rmSync(stamp, { force: true });
  await run();
  mkdirSync(STAMPS, { recursive: true });
  writeFileSync(stamp, digest);
}

function digestOf(inputs, context) {
  const hash = createHash('sha256').update(context);
  for (const path of inputs.flatMap(filesOf).sort()) {
    hash.update(`\0${path}\0`).update(readFileSync(path));
  }
  return hash.digest('hex');
}

function filesOf(input) {
  const path = `${ROOT}/${input}`;
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`);
}
