#!/usr/bin/env node
/**
 * `npm test`: the set-up, then the tests, and beside them, in what time these leave, the seeds of the simulation, lint, format
 * and types. All of them run whatever another found, so that one run tells everything; the exit code is vitest's, or that of the
 * first of the others that failed. What follows `npm test --` goes to vitest, and no seeds run beside that.
 */

import { rmSync } from 'node:fs';
import { REPORTS } from './reports.mjs';
import { main, ROOT, run, say } from './run.mjs';
import { setup } from './setup.mjs';
import { unpackPackages } from './unpacked.mjs';

const CHECKS = [
  { name: 'lint', args: ['node_modules/eslint/bin/eslint.js', '.'] },
  { name: 'format', args: ['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'] },
  { name: 'types', args: ['node_modules/typescript/bin/tsc', '-p', 'test/tsconfig.json'] },
  { name: 'types of netlink-ts', args: ['node_modules/typescript/bin/tsc', '-p', 'native/test/tsconfig.json'] },
];
/** They need no deadline and all of the processors, of which the tests of contracts and of the kernel leave the most. */
const SEEDS = 'simulation';

await main(async () => {
  for (const report of Object.values(REPORTS)) rmSync(`${ROOT}/${report}`, { force: true });
  await setup();
  // The one test that needs them says so; all others run without.
  await unpackPackages().catch((error) => say(error.message));
  const chosen = process.argv.slice(2);
  const whole = chosen.length === 0;
  const tests = run(process.execPath, vitest(REPORTS.tests, ...(whole ? ['--project', `!${SEEDS}`] : chosen)));
  const beside = [...(whole ? [trySeeds()] : []), checkAll()];
  const [{ code }, ...others] = await Promise.all([tests, ...beside]);
  for (const { name, code: ended, output } of others.flat()) {
    console.log(`test: ${name}: ${ended === 0 ? 'passed' : `failed\n${output.trimEnd()}`}`);
  }
  return code || others.flat().find((other) => other.code !== 0)?.code || 0;
});

function vitest(report, ...args) {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  return ['node_modules/vitest/vitest.mjs', 'run', ...reporters, ...args];
}

/** The long run's take hours, and say how far they are. */
async function trySeeds() {
  const quiet = process.env.WEFT_LONG === undefined;
  return { name: SEEDS, ...(await politely(vitest(REPORTS.seeds, '--project', SEEDS), { quiet })) };
}

function politely(args, options = { quiet: true }) {
  return run('nice', ['-n', '19', process.execPath, ...args], options);
}

/** One after the other: they need the tests' memory. */
async function checkAll() {
  const results = [];
  for (const { name, args } of CHECKS) {
    results.push({ name, ...(await politely(args)) });
  }
  return results;
}
