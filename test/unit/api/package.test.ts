/** What package.json promises to programs that use weft, as the build leaves it. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

it('gives programs the client by its name, and its types', () => {
  const program = "const { connect } = await import('weft/client'); console.log(typeof connect)";
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', program], { cwd: ROOT, encoding: 'utf8' });
  expect(said.trim()).toBe('function');
  const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    exports: Record<string, { types: string }>;
  };
  expect(Object.keys(exports)).toEqual(['./client']);
  for (const { types } of Object.values(exports)) expect(existsSync(join(ROOT, types)), types).toBe(true);
});
