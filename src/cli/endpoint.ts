import { resolve } from 'node:path';
import { Command } from 'commander';
import type { WeftClient } from '../api/client.ts';
import type { Methods } from '../api/definition.ts';
import { collect, endpointRef, globals, networkRef, usage, withClient } from './context.ts';
import { labelText, parseLabels } from './labels.ts';
import { addList, withScope } from './list.ts';
import { age, print, printObject } from './output.ts';

interface AttachOptions {
  netns: string;
  ip: string[];
  name?: string;
  label: string[];
  publish: string[];
  tenant?: string;
}

const LIST_EXAMPLES = `
Examples:
  weft endpoint ls -A
  weft endpoint ls -t acme --node host2 -o json
  weft endpoint ls -A --project shop --label tier=front -o wide
  weft endpoint ls -A --watch`;

/** One page of a list. */
export const readEndpoints = {
  read: async (client: WeftClient, filter: Methods['ListEndpoints']['request']) => {
    const { endpoints, nextPageToken } = await client.call('ListEndpoints', filter);
    return { items: endpoints, nextPageToken };
  },
};

export function endpointCommand(): Command {
  const endpoint = new Command('endpoint')
    .description('endpoints: interfaces of containers, on all hosts')
    .addHelpText('after', '\nExamples:\n  weft endpoint ls -A\n  weft endpoint inspect acme/web/db');
  addList(
    withScope(endpoint.command('ls'))
      .description('list endpoints of the whole cluster')
      .option('--node <node>', 'on this host only')
      .option('--network <network>', 'of this network, or of networks of this name')
      .option('--state <state>', 'creating, ready, failed, lost or fenced')
      .option('--container <container>', 'of the container of this name, or of an id that begins so')
      .option('--project <project>', 'of this compose project')
      .addHelpText('after', LIST_EXAMPLES),
    {
      kind: 'endpoint',
      ...readEndpoints,
      columns: {
        ENDPOINT: ({ tenant, network, name }) => `${tenant}/${network}/${name}`,
        ADDRESSES: ({ addresses }) => addresses.join(','),
        NODE: ({ node }) => node,
        ENGINE: ({ engine }) => engine.type,
        CONTAINER: ({ engine }) => engine.container?.name ?? '',
        STATE: ({ state }) => state,
        AGE: ({ createdAt }) => age(createdAt),
      },
      wide: {
        MAC: ({ mac }) => mac,
        IMAGE: ({ engine }) => engine.container?.image ?? '',
        PROJECT: ({ engine }) => engine.container?.project ?? '',
        LABELS: ({ labels }) => labelText(labels),
        ID: ({ id }) => id,
      },
    },
  );
  endpoint
    .command('inspect <endpoint>')
    .description('show an endpoint: TENANT/NETWORK/ENDPOINT or an id')
    .option('-t, --tenant <tenant>', 'tenant of NETWORK/ENDPOINT')
    .addHelpText('after', '\nExample:\n  weft endpoint inspect acme/web/db -o json')
    .action(async (ref: string, options: { tenant?: string }, command: Command) => {
      const found = await withClient(command, (client) =>
        client.call('GetEndpoint', { ref: endpointRef(ref, options.tenant) }),
      );
      print(globals(command).output, found, () => printObject({ ...found }));
    });
  endpoint
    .command('attach <network>')
    .description('give a network namespace of this host an interface on a network')
    .requiredOption('--netns <path>', 'network namespace file')
    .option('--ip <address>', 'this address; once for each family', collect, [])
    .option('--name <name>', 'name of the endpoint')
    .option('--label <key=value>', 'label, repeatable', collect, [])
    .option(
      '-p, --publish <[address:][hostport:]port[/protocol]>',
      'lead a port of this host to it, as docker run does; repeatable',
      collect,
      [],
    )
    .option('-t, --tenant <tenant>', 'tenant of a NETWORK without one')
    .addHelpText(
      'after',
      '\nExample:\n  weft endpoint attach acme/web --netns /run/netns/mine --ip 10.10.0.9 --name db -p 5432:5432',
    )
    .action(async (ref: string, options: AttachOptions, command: Command) => {
      const made = await withClient(command, (client) =>
        client.call('AttachEndpoint', {
          network: networkRef(ref, options.tenant),
          // The daemon stands in a directory of its own.
          netns: namespaceFile(options.netns),
          addresses: options.ip,
          labels: parseLabels(options.label),
          publish: options.publish,
          ...(options.name === undefined ? {} : { name: options.name }),
        }),
      );
      print(globals(command).output, made, () => printObject({ ...made }));
    });
  endpoint
    .command('label <endpoint> <labels...>')
    .description('set labels of an endpoint of this host: KEY=VALUE; KEY= removes one')
    .option('--revision <n>', 'only if the endpoint is still at this revision', Number)
    .option('-t, --tenant <tenant>', 'tenant of NETWORK/ENDPOINT')
    .addHelpText('after', '\nExample:\n  weft endpoint label acme/web/db app=db tier=')
    .action(
      async (ref: string, labels: string[], options: { tenant?: string; revision?: number }, command: Command) => {
        const updated = await withClient(command, (client) =>
          client.call('UpdateEndpoint', {
            ref: endpointRef(ref, options.tenant),
            revision: options.revision ?? 0,
            labels: parseLabels(labels),
          }),
        );
        print(globals(command).output, updated, () => printObject({ ...updated }));
      },
    );
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

/** "self" is the daemon's there, not the caller's. */
function namespaceFile(given: string): string {
  const path = resolve(given);
  if (/^\/proc\/(self|thread-self)(\/|$)/.test(path)) {
    throw usage(
      `--netns ${given}: names this command's own namespace`,
      `give /proc/PID/ns/net or a file under /run/netns`,
    );
  }
  return path;
}
