/** The addon under AddressSanitizer, UndefinedBehaviorSanitizer and LeakSanitizer (addon-driver.mjs says with what work). */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, expect, it } from 'vitest';
import { FOLDER, TestNamespaces } from './namespaces.ts';

const PACKAGE = fileURLToPath(new URL('../..', import.meta.url));
const DEADLINE = 60_000;
const namespaces = new TestNamespaces();
const folder = mkdtempSync(join(tmpdir(), 'netlink-ts-'));
afterEach(() => namespaces.removeAll());
afterAll(() => rmSync(folder, { recursive: true }));

/** GCC prints the bare name of a library that it does not have. */
function sanitizer(): string | undefined {
  const compiler = process.env['CC'] ?? 'cc';
  const { stdout } = spawnSync(compiler, ['-print-file-name=libasan.so'], { encoding: 'utf8' });
  return isAbsolute(stdout.trim()) ? stdout.trim() : undefined;
}

/** The library as it is shipped, on an addon that is watched. */
function build(): { addon: string; library: string } {
  const addon = join(folder, 'build', 'Release', 'netlink.node');
  execFileSync(process.execPath, [join(PACKAGE, 'build.mjs'), '--sanitize', '--out', addon], { stdio: 'inherit' });
  cpSync(join(PACKAGE, 'dist'), join(folder, 'dist'), { recursive: true });
  cpSync(join(PACKAGE, 'package.json'), join(folder, 'package.json'));
  return { addon, library: join(folder, 'dist', 'index.js') };
}

function drive(libasan: string, { addon, library }: { addon: string; library: string }, leaks: boolean) {
  const driver = join(PACKAGE, 'test', 'kernel', 'addon-driver.mjs');
  const netns = namespaces.make(`sanitize${leaks ? '-leaks' : ''}`);
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--expose-gc', driver, addon, library, netns, `${FOLDER}/${process.pid}-other`],
    {
      encoding: 'utf8',
      timeout: DEADLINE,
      maxBuffer: 64 << 20,
      env: { ...process.env, LD_PRELOAD: libasan, ASAN_OPTIONS: `detect_leaks=${leaks ? 1 : 0}` },
    },
  );
  return { status, stdout, stderr };
}

/** What was allocated by the addon itself: Node leaves some of its own behind when it exits, on purpose. */
function ownLeaks(report: string): string[] {
  const blocks = report.split(/\n\n+/).filter((block) => /leak of \d+ byte/.test(block));
  return blocks.filter((block) => /^ *#1 .*(\/addon\/\w+\.c|netlink\.node)/m.test(block));
}

const libasan = sanitizer();

it.skipIf(libasan === undefined)(
  `neither overflows nor leaks, whatever it is given${libasan === undefined ? ': the compiler has no libasan' : ''}`,
  () => {
    const built = build();
    let run = drive(libasan ?? '', built, true);
    // It looks at the process from outside (ptrace), which some containers forbid.
    if (/LeakSanitizer has encountered a fatal error/.test(run.stderr)) run = drive(libasan ?? '', built, false);
    const faults = run.stderr.split('\n').filter((line) => /ERROR: AddressSanitizer|runtime error:/.test(line));
    expect(faults, run.stderr).toEqual([]);
    expect(ownLeaks(run.stderr)).toEqual([]);
    expect(run.stdout, run.stderr.slice(0, 4_000)).toBe('done\n');
  },
  2 * DEADLINE,
);
