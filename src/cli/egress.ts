import { Command, Option } from 'commander';
import type { Methods } from '../api/definition.ts';
import { collect, globals, withClient } from './context.ts';
import { print } from './output.ts';

type Egress = Methods['GetEgress']['response'];

interface SetFlags {
  off?: boolean;
  ipv6: string;
  allow: string[];
  node: string[];
  address: string[];
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
    .option('--node <node>', 'leads all that leaves, while it is the first that lives; repeatable', collect, [])
    .option('--address <address>', 'what the outside sees then, at the node that leads; repeatable', collect, [])
    .addHelpText(
      'after',
      '\nExamples:\n  weft egress set acme --allow 192.0.2.5/32:5432/tcp --allow 192.0.2.0/24:53/udp\n  weft egress set acme --off' +
        '\n  weft egress set acme --node host1 --node host2 --address 192.0.2.50',
    )
    .action(async (tenant: string, flags: SetFlags, command: Command) => {
      const { off = false, ipv6, allow, node: nodes, address: addresses } = flags;
      const wish = { tenant, off, ipv6, allow, nodes, addresses };
      const set = await withClient(command, (client) => client.call('SetEgress', wish));
      print(globals(command).output, set, () => printEgress(set));
    });
  return egress;
}

function printEgress({ tenant, off, ipv6, allow, nodes, addresses, leader, since }: Egress): void {
  console.log(`tenant  ${tenant}`);
  const pinned = `by ${addresses.join(' and ')}`;
  console.log(`out     ${off ? 'no' : addresses.length === 0 ? 'by the address of each host' : pinned}`);
  if (off) return;
  if (nodes.length > 0) {
    console.log(`nodes   ${nodes.join(', ')}`);
    console.log(`leader  ${leader === '' ? 'none' : `${leader} since ${since}`}`);
  }
  console.log(`ipv6    ${ipv6}`);
  console.log(`allow   ${allow.length === 0 ? '-' : allow.join(', ')}`);
}
