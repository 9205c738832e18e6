import { Command } from 'commander';
import { closest } from 'fastest-levenshtein';
import { ERRORS, EXIT, WeftError } from '../model/errors.ts';
import type { ErrorCode } from '../model/errors.ts';
import { globals } from './context.ts';
import { print, printTable } from './output.ts';

export function explainCommand(): Command {
  const explain = new Command('explain')
    .description('what something means, and why it is so')
    .addHelpText('after', '\nExample:\n  weft explain error pool-exhausted');
  explain
    .command('error [code]')
    .description('what an error means and what to do; without CODE: all of them')
    .addHelpText('after', '\nExamples:\n  weft explain error pool-exhausted\n  weft explain error')
    .action((code: string | undefined, _options: unknown, command: Command) => {
      const { output } = globals(command);
      if (code === undefined) {
        const all = (Object.keys(ERRORS) as ErrorCode[]).map(explained);
        return print(output, all, () =>
          printTable(all, {
            CODE: (one) => one.code,
            EXIT: ({ exitCode }) => exitCode,
            MEANING: ({ meaning }) => meaning,
          }),
        );
      }
      if (!Object.hasOwn(ERRORS, code)) {
        throw new WeftError('invalid-argument', `no error has the code "${code}"`, {
          object: code,
          next: `weft explain error ${closest(code, Object.keys(ERRORS))}; all of them: weft explain error`,
        });
      }
      const one = explained(code as ErrorCode);
      print(output, one, () =>
        console.log(`${code}: ${one.meaning}\nwhat to do: ${one.next}\nexit code: ${one.exitCode}`),
      );
    });
  return explain;
}

function explained(code: ErrorCode) {
  const { meaning, next, exit } = ERRORS[code];
  return { code, meaning, next, exitCode: EXIT[exit] };
}
