/** What the README says of errors, commands and settings is what the program has, and the reverse. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { buildProgram } from '../../src/cli/program.ts';
import { settingPaths } from '../../src/config.ts';
import { ERRORS, EXIT } from '../../src/model/errors.ts';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

/** Rows of the table under a heading. */
function rows(heading: string): string[][] {
  const section = readme.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  const lines = section.split('\n').filter((line) => line.startsWith('|'));
  return lines.slice(2).map((line) =>
    line
      .slice(2, -2)
      .split(/(?<!\\) \| /)
      .map((cell) => cell.trim()),
  );
}

const quoted = (cell: string | undefined) => [...(cell ?? '').matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '');

describe('the README', () => {
  it('lists every error as the catalogue has it', () => {
    const expected = Object.entries(ERRORS).map(([code, { exit, meaning, next }]) => [
      `\`${code}\``,
      String(EXIT[exit]),
      meaning,
      next,
    ]);
    expect(rows('Errors')).toEqual(expected);
  });

  it('lists every command', async () => {
    const program = await buildProgram(['lab']);
    const documented = new Map<string, string[]>();
    for (const [cell] of rows('Commands')) {
      const [, noun = '', verbs = ''] = (quoted(cell)[0] ?? '').replaceAll('\\', '').split(' ');
      documented.set(noun, /^[A-Z]*$/.test(verbs) ? [] : verbs.split('|'));
    }
    const present = program.commands
      .filter((command) => !command.name().startsWith('_'))
      .map((command): [string, string[]] => [command.name(), command.commands.map((inner) => inner.name())]);
    expect(new Map([...documented].map(([noun, verbs]) => [noun, [...verbs].sort()]))).toEqual(
      new Map(present.map(([noun, verbs]) => [noun, [...verbs].sort()])),
    );
  });

  it('lists every setting', () => {
    const documented = rows('Configuration').flatMap(([cell]) => quoted(cell));
    expect(documented.sort()).toEqual(
      settingPaths()
        .map((path) => path.join('.'))
        .sort(),
    );
  });
});
