#!/usr/bin/env node
/** `npm run chaos -- [--minutes N] [--seed S] [--history FILE]` (root): the run that chaos.test.ts does, as long as one likes. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e6)) },
    history: { type: 'string' },
  },
});
if (!(Number(values.minutes) > 0) || !Number.isSafeInteger(Number(values.seed))) {
  console.error('usage: npm run chaos -- [--minutes N] [--seed S] [--history FILE]');
  process.exit(2);
}
const root = join(import.meta.dirname, '..', '..', '..');
const vitest = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--project', 'faults', 'test/faults/chaos/'];
const env = {
  ...process.env,
  // npm test leaves it out
  WEFT_LONG: '1',
  CHAOS_MINUTES: values.minutes,
  WEFT_SEED: values.seed,
  ...(values.history === undefined ? {} : { CHAOS_HISTORY: values.history }),
};
const child = spawn(process.execPath, vitest, { cwd: root, env, stdio: 'inherit' });
child.on('exit', (code) => process.exit(code ?? 1));
