import { Command } from 'commander';
import type { WeftClient } from '../api/client.ts';
import type { Methods } from '../api/definition.ts';
import { hostPort } from '../model/address/address.ts';
import { globals, withClient } from './context.ts';
import { filterOf, readAll, withTenants } from './list.ts';
import type { ListOptions } from './list.ts';
import { print, printTable } from './output.ts';

type Port = Methods['ListPorts']['response']['ports'][number];

export function portCommand(): Command {
  const port = new Command('port')
    .description('ports of hosts that lead to containers')
    .addHelpText('after', '\nExamples:\n  weft port ls -A\n  weft explain port 8080/tcp');
  withTenants(port.command('ls'))
    .description('list the published ports of the whole cluster')
    .option('--node <node>', 'of this host only')
    .option('--network <network>', 'to containers of this network')
    .option('--container <container>', 'to the container of this name, or of an id that begins so')
    .addHelpText('after', '\nExamples:\n  weft port ls -A\n  weft port ls -t acme --node host2 -o json')
    .action(async (options: ListOptions, command: Command) => {
      const ports = await withClient(command, (client) =>
        readAll(client, { read: readPorts }, filterOf(command, options)),
      );
      print(globals(command).output, ports, () => printPorts(ports));
    });
  return port;
}

async function readPorts(client: WeftClient, filter: Methods['ListPorts']['request']) {
  const { ports, nextPageToken } = await client.call('ListPorts', filter);
  return { items: ports, nextPageToken };
}

function printPorts(ports: Port[]): void {
  printTable(ports, {
    NODE: ({ node }) => node,
    PORT: portPlaceText,
    'LEADS TO': ({ targets }) => targets.join(', '),
    ENDPOINT: ({ tenant, network, endpoint }) => `${tenant}/${network}/${endpoint}`,
    CONTAINER: ({ container }) => container,
  });
}

/** "8080/tcp", "192.0.2.1:8080/tcp", "[::]:53/udp" */
export function portPlaceText({ address, hostPort: port, protocol }: Port): string {
  return `${address === '' ? port : hostPort(address, port)}/${protocol}`;
}
