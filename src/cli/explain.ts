import { Command } from 'commander';
import { closest } from 'fastest-levenshtein';
import { ERRORS, EXIT, WeftError } from '../model/errors.ts';
import type { ErrorCode } from '../model/errors.ts';
import type { Methods } from '../api/definition.ts';
import { clip } from '../model/validate.ts';
import { globals, withClient } from './context.ts';
import { portPlaceText } from './port.ts';
import { print, printTable } from './output.ts';

export function explainCommand(): Command {
  const explain = new Command('explain')
    .description('what something means, and why it is so')
    .addHelpText('after', '\nExamples:\n  weft explain error pool-exhausted\n  weft explain port 8080/tcp');
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
  explain
    .command('port <port/protocol>')
    .description('who reaches a published port, as whom, and why')
    .option('--node <node>', 'of this host only')
    .addHelpText('after', '\nExamples:\n  weft explain port 8080/tcp\n  weft explain port 53/udp --node host2')
    .action(async (text: string, { node = '' }: { node?: string }, command: Command) => {
      const { port = '', protocol = 'tcp' } = /^(?<port>\d{1,5})(?:\/(?<protocol>\w+))?$/.exec(text)?.groups ?? {};
      if (port === '') throw new WeftError('invalid-argument', `"${clip(text)}" is not PORT/PROTOCOL`);
      const request = { port: Number(port), protocol, node };
      const { ports } = await withClient(command, (client) => client.call('ExplainPort', request));
      print(globals(command).output, ports, () => ports.forEach(printWays));
    });
  return explain;
}

function printWays({ port, ways }: Methods['ExplainPort']['response']['ports'][number], index: number): void {
  const { node, tenant, network, endpoint, targets } = port;
  if (index > 0) console.log();
  console.log(`${portPlaceText(port)} on ${node} leads to ${tenant}/${network}/${endpoint}: ${targets.join(', ')}`);
  printTable(ways, {
    FROM: ({ from }) => from,
    REACHES: ({ reaches }) => (reaches ? 'yes' : 'no'),
    'SEEN AS': ({ seenAs }) => seenAs,
    WHY: ({ why }) => why,
  });
}

function explained(code: ErrorCode) {
  const { meaning, next, exit } = ERRORS[code];
  return { code, meaning, next, exitCode: EXIT[exit] };
}
