/** `weft token`: what lets new hosts join. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { globals, withClient } from './context.ts';
import { age, print, printTable } from './output.ts';

const UNITS: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400 };

export function tokenCommand(): Command {
  const token = new Command('token')
    .description('tokens by which new hosts join the cluster')
    .addHelpText('after', '\nExamples:\n  weft token create --role node --ttl 1h\n  weft token ls');
  token
    .command('create')
    .description('make a token; it is shown this once')
    .addOption(new Option('--role <role>', 'what it makes of the host').choices(['node']).default('node'))
    .option('--ttl <duration>', 'how long it counts: 30s, 10m, 1h, 7d', duration, 3_600)
    .option('--uses <n>', 'how many hosts may join by it', wholeNumber, 1)
    .addHelpText('after', '\nExample:\n  weft token create --role node --ttl 1h --uses 3')
    .action(async (options: { ttl: number; uses: number }, command: Command) => {
      const made = await withClient(command, (client) =>
        client.call('CreateToken', { ttlSeconds: options.ttl, uses: options.uses }),
      );
      print(globals(command).output, { ...made.details, token: made.token }, () => console.log(made.token));
    });
  token
    .command('ls')
    .description('list the tokens, without their secrets')
    .addHelpText('after', '\nExample:\n  weft token ls')
    .action(async (_options: unknown, command: Command) => {
      const { tokens } = await withClient(command, (client) => client.call('ListTokens', {}));
      print(globals(command).output, tokens, () =>
        printTable(tokens, {
          ID: ({ id }) => id,
          ROLE: ({ role }) => role,
          USES: ({ uses }) => uses,
          EXPIRES: ({ expiresAt }) => expiresAt,
          BY: ({ createdBy }) => createdBy,
          AGE: ({ createdAt }) => age(createdAt),
        }),
      );
    });
  token
    .command('delete <token>')
    .description('end a token, by its id')
    .addHelpText('after', '\nExample:\n  weft token delete abcdefghij')
    .action(async (ref: string, _options: unknown, command: Command) => {
      await withClient(command, (client) => client.call('DeleteToken', { ref }));
    });
  return token;
}

function duration(text: string): number {
  const [, count, unit = ''] = /^(\d{1,7})([smhd])$/.exec(text) ?? [];
  if (count === undefined) throw new InvalidArgumentError('give a duration such as 30s, 10m, 1h or 7d');
  return Number(count) * (UNITS[unit] ?? 1);
}

function wholeNumber(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('give a whole number');
  return Number(text);
}
