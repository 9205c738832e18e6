import { Command, Option } from 'commander';
import type { Methods } from '../api/definition.ts';
import { collect, globals, withClient } from './context.ts';
import { print } from './output.ts';

type Egress = Methods['GetEgress']['response'];

interface SetFlags {
  off?: boolean;
  ipv6: string;
  allow: string[];
}

export function egressCommand(): Command {
  const egress = new Command('egress')
    .description('the way out of a tenant’s containers')
    .addHelpText('after', '\nExamples:\n  weft egress show acme\n  weft egress set acme --allow 192.0.2.5/32:5432/tcp');
  egress
    .command('show <tenant>')
    .description('show how a tenant’s containers reach the outside')
    .addHelpText('after', '\nExample:\n  weft egress show acme')
    .action(async (ref: string, _options: unknown, command: Command) => {
      const found = await withClient(command, (client) => client.call('GetEgress', { ref }));
      print(globals(command).output, found, () => printEgress(found));
    });
  egress
    .command('set <tenant>')
    .description('say how a tenant’s containers reach the outside, as a whole: what is left out is as at first')
    .option('--off', 'not at all')
    .addOption(
      new Option('--ipv6 <mode>', 'routed: with the containers’ own addresses')
        .choices(['nat', 'routed'])
        .default('nat'),
    )
    .option(
      '--allow <cidr[:port/proto]>',
      'reach this although it is guarded (hosts of the cluster, metadata services); repeatable',
      collect,
      [],
    )
    .addHelpText(
      'after',
      '\nExamples:\n  weft egress set acme --allow 192.0.2.5/32:5432/tcp --allow 192.0.2.0/24:53/udp\n  weft egress set acme --off',
    )
    .action(async (tenant: string, { off = false, ipv6, allow }: SetFlags, command: Command) => {
      const set = await withClient(command, (client) => client.call('SetEgress', { tenant, off, ipv6, allow }));
      print(globals(command).output, set, () => printEgress(set));
    });
  return egress;
}

function printEgress({ tenant, off, ipv6, allow }: Egress): void {
  console.log(`tenant  ${tenant}`);
  console.log(`out     ${off ? 'no' : 'by the address of each host'}`);
  if (off) return;
  console.log(`ipv6    ${ipv6}`);
  console.log(`allow   ${allow.length === 0 ? '-' : allow.join(', ')}`);
}
