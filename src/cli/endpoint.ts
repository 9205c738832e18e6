import { resolve } from 'node:path';
import { Command } from 'commander';
import { collect, defaultTenant, endpointRef, globals, networkRef, usage, withClient } from './context.ts';
import { age, printJson, printObject, printTable } from './output.ts';

interface AttachOptions {
  netns: string;
  ip: string[];
  name?: string;
  label: string[];
  tenant?: string;
}

export function endpointCommand(): Command {
  const endpoint = new Command('endpoint')
    .description('endpoints: interfaces of containers, on all hosts')
    .addHelpText('after', '\nExamples:\n  weft endpoint ls -A\n  weft endpoint inspect acme/web/db');
  endpoint
    .command('ls')
    .description('list endpoints of the whole cluster')
    .option('-t, --tenant <tenant>', 'of this tenant (default: $WEFT_TENANT, else "default")')
    .option('-A, --all', 'of all tenants')
    .option('--node <node>', 'on this host only')
    .option('--network <network>', 'of networks of this name only')
    .addHelpText('after', '\nExamples:\n  weft endpoint ls -A\n  weft endpoint ls -t acme --node host2 -o json')
    .action(async (options: { tenant?: string; all?: boolean; node?: string; network?: string }, command: Command) => {
      const filter = {
        tenant: options.all ? '' : defaultTenant(options.tenant),
        node: options.node ?? '',
        network: options.network ?? '',
      };
      const { endpoints } = await withClient(command, (client) => client.call('ListEndpoints', filter));
      if (globals(command).output === 'json') return printJson(endpoints);
      printTable(endpoints, {
        ENDPOINT: ({ tenant, network, name }) => `${tenant}/${network}/${name}`,
        ADDRESSES: ({ addresses }) => addresses.join(','),
        MAC: ({ mac }) => mac,
        NODE: ({ node }) => node,
        ENGINE: ({ engine }) => engine.type,
        CONTAINER: ({ engine }) => engine.container?.name ?? '',
        STATE: ({ state }) => state,
        AGE: ({ createdAt }) => age(createdAt),
      });
    });
  endpoint
    .command('inspect <endpoint>')
    .description('show an endpoint: TENANT/NETWORK/ENDPOINT or an id')
    .option('-t, --tenant <tenant>', 'tenant of NETWORK/ENDPOINT')
    .addHelpText('after', '\nExample:\n  weft endpoint inspect acme/web/db -o json')
    .action(async (ref: string, options: { tenant?: string }, command: Command) => {
      const found = await withClient(command, (client) =>
        client.call('GetEndpoint', { ref: endpointRef(ref, options.tenant) }),
      );
      if (globals(command).output === 'json') printJson(found);
      else printObject({ ...found });
    });
  endpoint
    .command('attach <network>')
    .description('give a network namespace of this host an interface on a network')
    .requiredOption('--netns <path>', 'network namespace file')
    .option('--ip <address>', 'this address; once for each family', collect, [])
    .option('--name <name>', 'name of the endpoint')
    .option('--label <key=value>', 'label, repeatable', collect, [])
    .option('-t, --tenant <tenant>', 'tenant of a NETWORK without one')
    .addHelpText(
      'after',
      '\nExample:\n  weft endpoint attach acme/web --netns /run/netns/mine --ip 10.10.0.9 --name db',
    )
    .action(async (ref: string, options: AttachOptions, command: Command) => {
      const made = await withClient(command, (client) =>
        client.call('AttachEndpoint', {
          network: networkRef(ref, options.tenant),
          // The daemon stands in a directory of its own.
          netns: resolve(options.netns),
          addresses: options.ip,
          labels: Object.fromEntries(options.label.map(splitLabel)),
          ...(options.name === undefined ? {} : { name: options.name }),
        }),
      );
      if (globals(command).output === 'json') printJson(made);
      else printObject({ ...made });
    });
  endpoint
    .command('detach <endpoint>')
    .description('take an endpoint that was attached by hand away')
    .option('-t, --tenant <tenant>', 'tenant of NETWORK/ENDPOINT')
    .addHelpText('after', '\nExample:\n  weft endpoint detach acme/web/db')
    .action(async (ref: string, options: { tenant?: string }, command: Command) => {
      await withClient(command, (client) => client.call('DetachEndpoint', { ref: endpointRef(ref, options.tenant) }));
    });
  return endpoint;
}

function splitLabel(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw usage(`--label ${text}: give KEY=VALUE`);
  return [text.slice(0, at), text.slice(at + 1)];
}
