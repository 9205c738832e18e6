/** Commands about hosts: the daemon of this one, and the nodes of the cluster. */
import { Command } from 'commander';
import { globals, withClient } from './context.ts';
import { age, printJson, printTable } from './output.ts';

export function statusCommand(): Command {
  return new Command('status')
    .description('the daemon of this host: store, what is applied, repairs, conditions')
    .addHelpText('after', '\nExamples:\n  weft status\n  weft status -o json')
    .action(async (_options: unknown, command: Command) => {
      const status = await withClient(command, (client) => client.call('GetStatus', {}));
      if (globals(command).output === 'json') return printJson(status);
      const repairs = Object.entries(status.repairs.byKind).map(([kind, count]) => `${kind} ${count}`);
      console.log(`node      ${status.node} (weft ${status.version})`);
      console.log(`store     ${status.store.state}, revision ${status.store.revision}`);
      console.log(`applied   revision ${status.applied.revision}`);
      console.log(`repairs   ${status.repairs.total}${repairs.length > 0 ? ` (${repairs.join(', ')})` : ''}`);
      if (status.conditions.length === 0) return;
      console.log('conditions');
      printTable(status.conditions, {
        TYPE: ({ type }) => type,
        OBJECT: ({ object }) => object,
        SINCE: ({ since }) => age(since),
        MESSAGE: ({ message }) => message,
      });
    });
}

export function nodeCommand(): Command {
  const node = new Command('node')
    .description('the hosts of the cluster')
    .addHelpText('after', '\nExample:\n  weft node ls');
  node
    .command('ls')
    .description('list the hosts, and which of them are heard from')
    .addHelpText('after', '\nExample:\n  weft node ls')
    .action(async (_options: unknown, command: Command) => {
      const { nodes } = await withClient(command, (client) => client.call('ListNodes', {}));
      if (globals(command).output === 'json') return printJson(nodes);
      printTable(nodes, {
        NODE: ({ name }) => name,
        LIVE: ({ live }) => (live ? 'yes' : 'no'),
        VTEP: ({ vtep }) => vtep,
        'UNDERLAY-MTU': ({ underlayMtu }) => underlayMtu,
        ENDPOINTS: ({ endpoints }) => endpoints,
        VERSION: ({ version }) => version,
        AGE: ({ createdAt }) => age(createdAt),
      });
    });
  return node;
}
