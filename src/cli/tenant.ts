import { Command } from 'commander';
import { globals, withClient } from './context.ts';
import { age, printJson, printObject, printTable } from './output.ts';

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
      if (globals(command).output === 'json') printJson(made);
      else console.log(made.name);
    });
  tenant
    .command('ls')
    .description('list the tenants')
    .addHelpText('after', '\nExample:\n  weft tenant ls -o json')
    .action(async (_options: unknown, command: Command) => {
      const { tenants } = await withClient(command, (client) => client.call('ListTenants', {}));
      if (globals(command).output === 'json') return printJson(tenants);
      printTable(tenants, {
        NAME: ({ name }) => name,
        NETWORKS: ({ networks }) => networks,
        ORIGIN: ({ origin }) => origin,
        AGE: ({ createdAt }) => age(createdAt),
      });
    });
  tenant
    .command('inspect <tenant>')
    .description('show a tenant')
    .addHelpText('after', '\nExample:\n  weft tenant inspect acme')
    .action(async (ref: string, _options: unknown, command: Command) => {
      const found = await withClient(command, (client) => client.call('GetTenant', { ref }));
      if (globals(command).output === 'json') printJson(found);
      else printObject({ ...found });
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
