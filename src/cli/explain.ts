import { Command } from 'commander';
import { ERRORS, EXIT, WeftError } from '../model/errors.ts';
import type { ErrorCode } from '../model/errors.ts';
import { globals } from './context.ts';
import { printJson } from './output.ts';

export function explainCommand(): Command {
  const explain = new Command('explain')
    .description('what something means, and why it is so')
    .addHelpText('after', '\nExample:\n  weft explain error pool-exhausted');
  explain
    .command('error <code>')
    .description('what an error means and what to do')
    .addHelpText('after', '\nExample:\n  weft explain error pool-exhausted')
    .action((code: string, _options: unknown, command: Command) => {
      if (!Object.hasOwn(ERRORS, code)) {
        throw new WeftError('invalid-argument', `no error has the code "${code}"`, {
          object: code,
          next: `known codes: ${Object.keys(ERRORS).join(' ')}`,
        });
      }
      const { meaning, next, exit } = ERRORS[code as ErrorCode];
      if (globals(command).output === 'json') return printJson({ code, meaning, next, exitCode: EXIT[exit] });
      console.log(`${code}: ${meaning}\nwhat to do: ${next}\nexit code: ${EXIT[exit]}`);
    });
  return explain;
}
