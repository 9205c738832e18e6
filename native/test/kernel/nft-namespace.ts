/** A network namespace for one test file, and what the nft command says of it. */
import { execFileSync } from 'node:child_process';

export interface TestNamespace {
  path: string;
  /** Runs a command inside; its standard output. */
  run(command: string, ...args: string[]): string;
  /** Feeds a ruleset to `nft -f -`. */
  load(ruleset: string): void;
  remove(): void;
}

export function makeNamespace(purpose: string): TestNamespace {
  const name = `nlts-${purpose}-${process.pid}`;
  const path = `/run/netns/${name}`;
  execFileSync('ip', ['netns', 'add', name]);
  const enter = ['--net=' + path, '--'];
  const run = (command: string, ...args: string[]) =>
    execFileSync('nsenter', [...enter, command, ...args], { encoding: 'utf8', maxBuffer: 1 << 26 });
  return {
    path,
    run,
    load: (ruleset) => {
      execFileSync('nsenter', [...enter, 'nft', '-f', '-'], { input: ruleset, maxBuffer: 1 << 26 });
    },
    remove: () => {
      execFileSync('ip', ['netns', 'delete', name]);
    },
  };
}
