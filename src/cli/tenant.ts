import { Command } from 'commander';
import { globals, withClient } from './context.ts';
import { addList } from './list.ts';
import { age, print, printObject } from './output.ts';

export function tenantCommand(): Command {
  const tenant = new Command('tenant')
    .description('tenants: routing and naming domains of their own')
    .addHelpText('after', '\nExamples:\n  weft tenant create acme\n  weft tenant ls');
  tenant
    .command('create <name>')
    .description('make a tenant')
    .addHelpText('after', '\nExample:\n  weft tenant create acme')
    .action(async (name: string, _options: unknown, command: Command) => {
      const made = await withClient(command, (client) => client.call('CreateTenant', { name }));
      print(globals(command).output, made, () => console.log(made.name));
    });
  addList(
    tenant
      .command('ls')
      .description('list the tenants')
      .addHelpText('after', '\nExamples:\n  weft tenant ls\n  weft tenant ls --watch -o json'),
    {
      kind: 'tenant',
      read: async (client, filter) => {
        const { tenants, nextPageToken } = await client.call('ListTenants', filter);
        return { items: tenants, nextPageToken };
      },
      columns: {
        NAME: ({ name }) => name,
        NETWORKS: ({ networks }) => networks,
        ORIGIN: ({ origin }) => origin,
        AGE: ({ createdAt }) => age(createdAt),
      },
      wide: { ID: ({ id }) => id, REVISION: ({ revision }) => revision },
    },
  );
  tenant
    .command('inspect <tenant>')
    .description('show a tenant')
    .addHelpText('after', '\nExample:\n  weft tenant inspect acme')
    .action(async (ref: string, _options: unknown, command: Command) => {
      const found = await withClient(command, (client) => client.call('GetTenant', { ref }));
      print(globals(command).output, found, () => printObject({ ...found }));
    });
  tenant
    .command('delete <tenant>')
    .description('delete a tenant that has no networks')
    .addHelpText('after', '\nExample:\n  weft tenant delete acme')
    .action(async (ref: string, _options: unknown, command: Command) => {
      await withClient(command, (client) => client.call('DeleteTenant', { ref }));
    });
  return tenant;
}
