import { Command } from 'commander';
import type { Methods } from '../api/definition.ts';
import type { WeftClient } from '../api/client.ts';
import { WeftError } from '../model/errors.ts';
import { collect, globals, withClient } from './context.ts';
import { filterOf, readAll, withTenants } from './list.ts';
import type { ListOptions } from './list.ts';
import { age, print, printObject, printTable } from './output.ts';

type Router = Methods['GetRouter']['response'];

export function routerCommand(): Command {
  const router = new Command('router')
    .description('routers: they join networks of one tenant')
    .addHelpText('after', '\nExamples:\n  weft router create acme/core --network web --network db\n  weft router ls');
  router
    .command('create <tenant/name>')
    .description('join networks: what is in one reaches what is in the others')
    .requiredOption('--network <network>', 'a network of the tenant; give two or more', collect, [])
    .addHelpText('after', '\nExample:\n  weft router create acme/core --network web --network db')
    .action(async (ref: string, { network }: { network: string[] }, command: Command) => {
      const [tenant = '', name = ''] = ref.split('/');
      if (name === '') throw new WeftError('invalid-argument', `"${ref}" is not TENANT/NAME`);
      const made = await withClient(command, (client) =>
        client.call('CreateRouter', { tenant, name, networks: network }),
      );
      print(globals(command).output, made, () => console.log(`${made.tenant}/${made.name}`));
    });
  withTenants(router.command('ls'))
    .description('list the routers')
    .addHelpText('after', '\nExample:\n  weft router ls -A')
    .action(async (options: ListOptions, command: Command) => {
      const routers = await withClient(command, (client) =>
        readAll(client, { read: readRouters }, filterOf(command, options)),
      );
      print(globals(command).output, routers, (wide) => printRouters(routers, wide));
    });
  router
    .command('inspect <tenant/router>')
    .description('show a router')
    .addHelpText('after', '\nExample:\n  weft router inspect acme/core')
    .action(async (ref: string, _options: unknown, command: Command) => {
      const found = await withClient(command, (client) => client.call('GetRouter', { ref }));
      print(globals(command).output, found, () => printObject({ ...found }));
    });
  router
    .command('delete <tenant/router>')
    .description('delete a router; its networks are apart again')
    .addHelpText('after', '\nExample:\n  weft router delete acme/core')
    .action(async (ref: string, _options: unknown, command: Command) => {
      await withClient(command, (client) => client.call('DeleteRouter', { ref }));
    });
  return router;
}

async function readRouters(client: WeftClient, filter: Methods['ListRouters']['request']) {
  const { routers, nextPageToken } = await client.call('ListRouters', filter);
  return { items: routers, nextPageToken };
}

function printRouters(routers: Router[], wide: boolean): void {
  printTable(routers, {
    ROUTER: ({ tenant, name }) => `${tenant}/${name}`,
    NETWORKS: ({ networks }) => networks.join(', '),
    AGE: ({ createdAt }) => age(createdAt),
    ...(wide ? { ID: ({ id }: Router) => id } : {}),
  });
}
