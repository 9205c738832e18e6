#!/usr/bin/env node
/**
 * `npm test`: the set-up, then lint, format and types, then the tests. All of them run whatever the one before found,
 * so that one run tells everything; the exit code is vitest's, or that of the first check that failed. What follows
 * `npm test --` goes to vitest.
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
  const codes = await Promise.all(CHECKS.map(check));
  const tests = await run(process.execPath, [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${REPORT}`,
    ...process.argv.slice(2),
  ]);
  return tests.code || codes.find((code) => code !== 0) || 0;
});

async function check({ name, args }) {
  const { code, output } = await run(process.execPath, args, { quiet: true });
  console.log(`test: ${name}: ${code === 0 ? 'passed' : `failed\n${output.trimEnd()}`}`);
  return code;
}
