/** Commands about hosts: the daemon of this one, and the nodes of the cluster. */
import { Command } from 'commander';
import type { Methods } from '../api/definition.ts';
import { globals, withClient } from './context.ts';
import { addList } from './list.ts';
import { age, print, printTable } from './output.ts';

type Status = Methods['GetStatus']['response'];

export function statusCommand(): Command {
  return new Command('status')
    .description('the daemon of this host: store, what is applied, repairs, conditions')
    .addHelpText('after', '\nExamples:\n  weft status\n  weft status -o json')
    .action(async (_options: unknown, command: Command) => {
      const status = await withClient(command, (client) => client.call('GetStatus', {}));
      print(globals(command).output, status, () => printStatus(status));
    });
}

function printStatus(status: Status): void {
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
}

export function nodeCommand(): Command {
  const node = new Command('node')
    .description('the hosts of the cluster')
    .addHelpText('after', '\nExample:\n  weft node ls');
  addList(
    node
      .command('ls')
      .description('list the hosts, and which of them are heard from')
      .addHelpText('after', '\nExample:\n  weft node ls'),
    {
      kind: 'node',
      read: async (client, filter) => {
        const { nodes, nextPageToken } = await client.call('ListNodes', filter);
        return { items: nodes, nextPageToken };
      },
      columns: {
        NODE: ({ name }) => name,
        LIVE: ({ live }) => (live ? 'yes' : 'no'),
        VTEP: ({ vtep }) => vtep,
        'UNDERLAY-MTU': ({ underlayMtu }) => underlayMtu,
        ENDPOINTS: ({ endpoints }) => endpoints,
        VERSION: ({ version }) => version,
        AGE: ({ createdAt }) => age(createdAt),
      },
      wide: { ID: ({ id }) => id },
    },
  );
  return node;
}
