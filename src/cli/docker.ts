/** `weft docker`: the Docker engines of the cluster, and how far their networks are in step with it. */
import { Command } from 'commander';
import type { Methods } from '../api/definition.ts';
import { EXIT } from '../model/errors.ts';
import { globals, networkRef, withClient } from './context.ts';
import { age, print, printObject, printTable } from './output.ts';

type EngineView = Methods['SyncEngine']['response'];

export function dockerCommand(): Command {
  const docker = new Command('docker')
    .description('Docker engines: which have which network')
    .addHelpText(
      'after',
      '\nExamples:\n  weft docker status\n  weft docker sync acme/web\n  weft docker adopt acme/shop',
    );
  docker
    .command('status')
    .description('engines of all hosts and their networks; exit code 10 when one is not in step')
    .option('--node <node>', 'of this host only')
    .addHelpText('after', '\nExamples:\n  weft docker status\n  weft docker status --node host2 -o json')
    .action(async (options: { node?: string }, command: Command) => {
      const { engines } = await withClient(command, (client) =>
        client.call('ListEngines', { node: options.node ?? '' }),
      );
      if (engines.some((engine) => !isInStep(engine))) process.exitCode = EXIT.findings;
      print(globals(command).output, engines, () => printEngines(engines));
    });
  docker
    .command('sync [network]')
    .description('offer a network that was removed on this host to its engine again; without NETWORK: all of them')
    .option('-t, --tenant <tenant>', 'tenant of a NETWORK without one')
    .addHelpText('after', '\nExamples:\n  weft docker sync\n  weft docker sync acme/web')
    .action(async (ref: string | undefined, options: { tenant?: string }, command: Command) => {
      const network = ref === undefined ? '' : networkRef(ref, options.tenant);
      const engine = await withClient(command, (client) => client.call('SyncEngine', { network }));
      print(globals(command).output, engine, () => printEngines([engine]));
    });
  docker
    .command('adopt <network>')
    .description('make a network that one engine’s create made a network of all engines')
    .option('-t, --tenant <tenant>', 'tenant of a NETWORK without one')
    .addHelpText('after', '\nExample:\n  weft docker adopt acme/shop')
    .action(async (ref: string, options: { tenant?: string }, command: Command) => {
      const network = await withClient(command, (client) =>
        client.call('AdoptNetwork', { ref: networkRef(ref, options.tenant) }),
      );
      print(globals(command).output, network, () => printObject({ ...network }));
    });
  return docker;
}

function isInStep({ state, networks }: EngineView): boolean {
  return state === 'connected' && networks.every((network) => ['present', 'declined', 'own'].includes(network.state));
}

function printEngines(engines: EngineView[]): void {
  printTable(engines, {
    NODE: ({ node }) => node,
    ENGINE: ({ engine, version }) => `${engine} ${version}`,
    STATE: ({ state }) => state,
    SINCE: ({ since }) => age(since),
    'LIVE-RESTORE': ({ liveRestore }) => (liveRestore ? 'yes' : 'no'),
    NETWORKS: ({ networks }) => `${networks.filter(({ state }) => state === 'present').length}/${networks.length}`,
  });
  const rows = engines.flatMap(({ node, networks }) => networks.map((network) => ({ node, ...network })));
  if (rows.length === 0) return;
  console.log('');
  printTable(rows, {
    NODE: ({ node }) => node,
    NETWORK: ({ network }) => network,
    'IN DOCKER': ({ name }) => name,
    STATE: ({ state }) => state,
    REASON: ({ reason }) => reason,
    NEXT: ({ next }) => next,
  });
}
