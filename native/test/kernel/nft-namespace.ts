/** A network namespace for one test file, and what the nft command says of it. */
import { execFileSync } from 'node:child_process';

export interface TestNamespace {
  path: string;
  /** Runs a command inside; its standard output. */
  run(command: string, ...args: string[]): string;
  /** Feeds a ruleset to `nft -f -`. */
  load(ruleset: string): void;
  /** `nft -j list ruleset` without its header */
  ruleset(): Record<string, NftObject>[];
  remove(): void;
}

export type NftObject = Record<string, unknown> & {
  name?: string;
  elem?: unknown[];
  expr?: unknown[];
  comment?: string;
};

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
    ruleset: () => {
      const list = JSON.parse(run('nft', '-j', 'list', 'ruleset')) as { nftables: Record<string, NftObject>[] };
      return list.nftables.filter((object) => !('metainfo' in object));
    },
    remove: () => {
      execFileSync('ip', ['netns', 'delete', name]);
    },
  };
}
