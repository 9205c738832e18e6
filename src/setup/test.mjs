#!/usr/bin/env node
/**
 * `npm test`: the set-up, then the tests, and beside them, in what time these leave, lint, format and types. All of them
 * run whatever another found, so that one run tells everything; the exit code is vitest's, or that of the first check
 * that failed. What follows `npm test --` goes to vitest.
 */

import { rmSync } from 'node:fs';
import { main, ROOT, run, say } from './run.mjs';
import { setup } from './setup.mjs';
import { unpackPackages } from './unpacked.mjs';

const CHECKS = [
  { name: 'lint', args: ['node_modules/eslint/bin/eslint.js', '.'] },
  { name: 'format', args: ['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'] },
  { name: 'types', args: ['node_modules/typescript/bin/tsc', '-p', 'test/tsconfig.json'] },
  { name: 'types of netlink-ts', args: ['node_modules/typescript/bin/tsc', '-p', 'native/test/tsconfig.json'] },
];
const REPORT = 'test/report/vitest.json';

await main(async () => {
  rmSync(`${ROOT}/${REPORT}`, { force: true });
  await setup();
  // The one test that needs them says so; all others run without.
  await unpackPackages().catch((error) => say(error.message));
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${REPORT}`];
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', ...reporters, ...process.argv.slice(2)];
  const [tests, checks] = await Promise.all([run(process.execPath, vitest), checkAll()]);
  for (const { name, code, output } of checks) {
    console.log(`test: ${name}: ${code === 0 ? 'passed' : `failed\n${output.trimEnd()}`}`);
  }
  return tests.code || checks.find(({ code }) => code !== 0)?.code || 0;
});

/** One after the other: they need the tests' memory. */
async function checkAll() {
  const results = [];
  for (const { name, args } of CHECKS) {
    const result = await run('nice', ['-n', '19', process.execPath, ...args], { quiet: true });
    results.push({ name, ...result });
  }
  return results;
}
