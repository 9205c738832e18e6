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
  const checks = Promise.all(CHECKS.map(check));
  const tests = await run(process.execPath, [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${REPORT}`,
    ...process.argv.slice(2),
  ]);
  const failed = (await checks).filter(({ code }) => code !== 0);
  // again, where it is looked for
  for (const { name } of failed) console.log(`test: ${name}: failed, see above`);
  return tests.code || failed[0]?.code || 0;
});

async function check({ name, args }) {
  const { code, output } = await run('nice', ['-n', '19', process.execPath, ...args], { quiet: true });
  console.log(`test: ${name}: ${code === 0 ? 'passed' : `failed\n${output.trimEnd()}`}`);
  return { name, code };
}
