/** The examples of the README, run one after the other in namespaces that nobody else sees. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';

const PACKAGE = fileURLToPath(new URL('../..', import.meta.url));
const DEADLINE = 50_000;
/** Its own /run/netns, and a network of its own for what names no namespace. */
const ISOLATED = 'mkdir -p /run/netns && mount -t tmpfs none /run/netns && exec "$@"';

const folder = mkdtempSync(join(tmpdir(), 'netlink-ts-readme-'));
afterAll(() => rmSync(folder, { recursive: true }));

function examples(): string[] {
  const readme = readFileSync(join(PACKAGE, 'README.md'), 'utf8');
  return [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code ?? '');
}

it('the examples of the README run as they stand', () => {
  const files = examples().map((code, i) => {
    writeFileSync(join(folder, `example${i}.mjs`), code);
    return `await import('./example${i}.mjs');\nconsole.log('ran ${i}');`;
  });
  expect(files.length).toBeGreaterThan(10);
  writeFileSync(join(folder, 'all.mjs'), files.join('\n'));
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(PACKAGE, join(folder, 'node_modules', 'netlink-ts'));
  const command = [
    'unshare',
    '--net',
    '--mount',
    'sh',
    '-c',
    ISOLATED,
    'sh',
    process.execPath,
    join(folder, 'all.mjs'),
  ];
  const [program = '', ...args] = command;
  const output = execFileSync(program, args, { encoding: 'utf8', timeout: DEADLINE });
  expect(output).toContain('EINVAL change link');
  expect(output).toContain('mtu greater than device maximum (EINVAL)');
  expect(output).toMatch(/^> route RTM_NEWLINK .* 3="br0" 18=\{1="bridge"/m);
  expect(output.match(/^ran \d+$/gm)).toHaveLength(files.length);
  expect(output).toMatch(/^true true\nran/m);
});
