/** Commands about hosts: the daemon of this one, and the nodes of the cluster. */
import { text } from 'node:stream/consumers';
import { Command } from 'commander';
import type { Methods } from '../api/definition.ts';
import { globals, withClient } from './context.ts';
import { addList } from './list.ts';
import { age, print, printTable } from './output.ts';

interface JoinFlags {
  token: string;
  name?: string;
  pki: string;
  config: string;
}

type RejoinFlags = Pick<JoinFlags, 'token' | 'name' | 'config'>;

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
    .addHelpText('after', '\nExamples:\n  weft node ls\n  weft node join 192.0.2.1:7781 --token weft1.…');
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
      wide: { ID: ({ id }) => id, API: ({ api }) => api, SIGNS: ({ signs }) => (signs ? 'yes' : 'no') },
    },
  );
  addMembership(node);
  return node;
}

function addMembership(node: Command): void {
  node
    .command('join <host>')
    .description('make this host a node of the cluster that HOST belongs to; as root, before weftd is started')
    .requiredOption('--token <token>', 'from `weft token create` on a node of the cluster; "-" reads it from stdin')
    .option('--name <name>', 'what the cluster is to call this host (default: its host name)')
    .option('--pki <dir>', 'where its certificates are kept', '/var/lib/weft/pki')
    .option('--config <file>', 'where the store’s endpoints are written', '/etc/weft/weft.yaml')
    .addHelpText('after', '\nExample:\n  weft node join 192.0.2.1:7781 --token weft1.… && systemctl start weftd')
    .action(async (host: string, options: JoinFlags, command: Command) => {
      const { joinCluster } = await import('./join.ts');
      const { defaultName } = await import('../config.ts');
      const token = options.token === '-' ? await text(process.stdin) : options.token;
      const { pki, config, name = defaultName() } = options;
      const joined = await joinCluster({ host, token, name, pki, config });
      if (joined.note) console.error(`note: ${joined.note}`);
      print(globals(command).output, { ...joined, name }, () => {
        console.log(joined.already ? `${name} is a node of this cluster already` : `${name} joined the cluster`);
        console.log('next: systemctl start weftd');
      });
    });
  node
    .command('rejoin <host>')
    .description(
      'make this host a node anew: it was forgotten, runs from an old disk, or is a copy; weftd stopped, as root',
    )
    .requiredOption('--token <token>', 'from `weft token create` on a node of the cluster; "-" reads it from stdin')
    .option('--name <name>', 'what the cluster is to call this host (default: as before)')
    .option('--config <file>', 'weft.yaml', '/etc/weft/weft.yaml')
    .addHelpText(
      'after',
      '\nThe host gets another id and an empty journal; the old one is kept beside it. Containers lose what they had of weft\n' +
        'when weftd starts: restart them, or attach them again.\n' +
        '\nExample:\n  weft node rejoin 192.0.2.1:7781 --token weft1.… && systemctl start weftd',
    )
    .action(async (host: string, options: RejoinFlags, command: Command) => {
      const { rejoinCluster } = await import('./rejoin.ts');
      const { loadConfig } = await import('../config.ts');
      const token = options.token === '-' ? await text(process.stdin) : options.token;
      const file = { path: options.config, required: false };
      const config = await loadConfig({ file, environment: process.env, flags: {} });
      const joined = await rejoinCluster({ host, token, name: options.name, file: options.config, config });
      if (joined.note) console.error(`note: ${joined.note}`);
      print(globals(command).output, joined, () => {
        console.log(`${joined.name} joined the cluster anew, as ${joined.nodeId}`);
        if (joined.journal !== '') console.log(`its former journal is kept in ${joined.journal}`);
        console.log(
          'next: systemctl start weftd; then restart the containers that had endpoints, or attach them again',
        );
      });
    });
  node
    .command('forget <node>')
    .description('end a node’s membership: its certificates count no more, on any host')
    .option('--force', 'also while it is heard from')
    .addHelpText('after', '\nExample:\n  weft node forget host3')
    .action(async (ref: string, options: { force?: boolean }, command: Command) => {
      const forgotten = await withClient(command, (client) =>
        client.call('ForgetNode', { ref, force: options.force ?? false }),
      );
      print(globals(command).output, forgotten, () => console.log(`${forgotten.name} is forgotten`));
    });
  node
    .command('rotate')
    .description('renew this host’s certificates now; running connections stay')
    .addHelpText('after', '\nExample:\n  weft node rotate')
    .action(async (_options: unknown, command: Command) => {
      const renewed = await withClient(command, (client) => client.call('RotateCertificates', {}));
      print(globals(command).output, renewed, () => console.log(`renewed until ${renewed.notAfter}`));
    });
}
