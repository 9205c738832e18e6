/** `weft events`: what changes in the cluster, as it happens. */
import { Command, Option } from 'commander';
import type { Streams } from '../api/definition.ts';
import { collect, globals, withClient } from './context.ts';
import { followed } from './list.ts';
import { printItem } from './output.ts';

type WatchEvent = Streams['Watch']['response'];

const KINDS = ['tenant', 'network', 'endpoint', 'node', 'engine'];

export function eventsCommand(): Command {
  return new Command('events')
    .description('what changes from now on, of the whole cluster or of what is asked for, until interrupted')
    .addOption(new Option('--kind <kind...>', 'of these kinds of objects').choices(KINDS))
    .option('-t, --tenant <tenant>', 'of this tenant')
    .option('--network <network>', 'of this network')
    .option('--node <node>', 'on this host')
    .option('--label <key[=value]>', 'of endpoints and networks with this label, repeatable', collect, [])
    .option('--initial', 'begin with what is there')
    .addHelpText('after', '\nExamples:\n  weft events\n  weft events --kind endpoint --node host2 -o json')
    .action(async (options: EventOptions, command: Command) => {
      const { output } = globals(command);
      const { kind: kinds = [], tenant = '', network = '', node = '', label: labels } = options;
      await withClient(command, async (client) => {
        let synced = options.initial ?? false;
        for await (const event of followed(client, { kinds, tenant, network, node, labels })) {
          if (synced && event.type !== 'synced') {
            if (output === 'json' || output === 'yaml') printItem(output, event);
            else console.log(describe(event));
          }
          synced ||= event.type === 'synced';
        }
      });
    });
}

interface EventOptions {
  kind?: string[];
  tenant?: string;
  network?: string;
  node?: string;
  label: string[];
  initial?: boolean;
}

/** "12:04:05 endpoint added acme/web/db (10.1.2.3/16) on host2, container db, ready" */
function describe(event: WatchEvent): string {
  return [event.at.slice(11, 19), event.kind.padEnd(8), event.type.padEnd(7), subject(event)].join(' ');
}

function subject(event: WatchEvent): string {
  switch (event.kind) {
    case 'tenant':
      return event.tenant.name;
    case 'network': {
      const { tenant, name, subnets, endpoints, state } = event.network;
      return `${tenant}/${name} (${subnets.map(({ cidr }) => cidr).join(', ')}), ${endpoints} endpoints, ${state}`;
    }
    case 'endpoint': {
      const { tenant, network, name, addresses, node, engine, state } = event.endpoint;
      const container = engine.container ? `, container ${engine.container.name}` : '';
      return `${tenant}/${network}/${name} (${addresses.join(', ')}) on ${node}${container}, ${state}`;
    }
    case 'node':
      return `${event.node.name}, ${event.node.live ? 'live' : 'not heard from'}, ${event.node.endpoints} endpoints`;
    case 'engine': {
      const { node, engine, state, networks } = event.engine;
      const behind = networks.filter((network) => network.state === 'clash' || network.state === 'pending');
      return `${engine} on ${node}, ${state}${behind.length > 0 ? `, not in step: ${behind.map(({ name }) => name).join(', ')}` : ''}`;
    }
    case '':
      return '';
  }
}
