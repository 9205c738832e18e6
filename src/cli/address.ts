import { Command } from 'commander';
import type { WeftClient } from '../api/client.ts';
import type { Methods } from '../api/definition.ts';
import { globals, networkRef, withClient } from './context.ts';
import { filterOf, readAll, withTenants } from './list.ts';
import type { ListOptions } from './list.ts';
import { age, print, printTable } from './output.ts';

type Shared = Methods['MoveAddress']['response'];

const EXAMPLES = `
Examples:
  weft address share acme/web 10.10.0.100 web1 web2
  weft address move acme/web 10.10.0.100 web2
  weft address ls acme/web`;

/** One page of a list. */
export const readShared = {
  read: async (client: WeftClient, filter: Methods['ListSharedAddresses']['request']) => {
    const { addresses, nextPageToken } = await client.call('ListSharedAddresses', filter);
    return { items: addresses, nextPageToken };
  },
};

interface Scoped {
  tenant?: string;
}

/** What an action is given behind the network and the address. */
type Rest<T> = [of: T, options: Scoped, command: Command];

export function addressCommand(): Command {
  const address = new Command('address')
    .description('addresses that several endpoints share, and one of them holds')
    .addHelpText('after', EXAMPLES);
  inNetwork(address.command('share <network> <address> <endpoint...>'))
    .description('say which endpoints may hold an address; of a new one the first has it')
    .addHelpText('after', '\nExample:\n  weft address share acme/web 10.10.0.100 web1 web2')
    .action(
      async (network: string, text: string, ...[endpoints, { tenant }, command]: Rest<string[]>) =>
        await show(command, (client) =>
          client.call('ShareAddress', { network: networkRef(network, tenant), address: text, endpoints }),
        ),
    );
  inNetwork(address.command('unshare <network> <address> [endpoint...]'))
    .description('these may hold it no more; with none named, the address is given up')
    .addHelpText(
      'after',
      '\nExamples:\n  weft address unshare acme/web 10.10.0.100 web1\n  weft address unshare acme/web 10.10.0.100',
    )
    .action(async (network: string, text: string, ...[endpoints, { tenant }, command]: Rest<string[]>) => {
      const request = { network: networkRef(network, tenant), address: text, endpoints };
      await withClient(command, (client) => client.call('UnshareAddress', request));
    });
  inNetwork(address.command('move <network> <address> <endpoint>'))
    .description('give a shared address to another of its endpoints')
    .addHelpText('after', '\nExample:\n  weft address move acme/web 10.10.0.100 web2')
    .action(
      async (network: string, text: string, ...[endpoint, { tenant }, command]: Rest<string>) =>
        await show(command, (client) =>
          client.call('MoveAddress', { network: networkRef(network, tenant), address: text, endpoint }),
        ),
    );
  withTenants(address.command('ls [network]'))
    .description('list shared addresses, and who has them')
    .addHelpText('after', '\nExamples:\n  weft address ls acme/web\n  weft address ls -A -o json')
    .action(async (network: string | undefined, options: ListOptions, command: Command) => {
      const shared = await withClient(command, async (client) => {
        if (network === undefined) return await readAll(client, readShared, filterOf(command, options));
        const { tenant, name } = await client.call('GetNetwork', { ref: networkRef(network, options.tenant) });
        return await readAll(client, readShared, filterOf(command, { tenant, network: name }));
      });
      print(globals(command).output, shared, (wide) => printShared(shared, wide));
    });
  return address;
}

function inNetwork(command: Command): Command {
  return command.option('-t, --tenant <tenant>', 'tenant of a NETWORK without one');
}

async function show(command: Command, call: (client: WeftClient) => Promise<Shared>): Promise<void> {
  const shared = await withClient(command, call);
  print(globals(command).output, shared, (wide) => printShared([shared], wide));
}

function printShared(addresses: Shared[], wide: boolean): void {
  printTable(addresses, {
    ADDRESS: ({ address }) => address,
    NETWORK: ({ tenant, network }) => `${tenant}/${network}`,
    STATE: ({ state }) => state,
    HOLDER: ({ holder }) => holder,
    NODE: ({ node }) => node,
    ENDPOINTS: ({ endpoints }) => endpoints.join(','),
    AGE: ({ since }) => age(since),
    ...(wide ? { BY: ({ by }: Shared) => by } : {}),
  });
  for (const { address, note } of addresses) if (note !== '') console.log(`${address}: ${note}`);
}
