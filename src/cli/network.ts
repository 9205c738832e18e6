import { Command, InvalidArgumentError } from 'commander';
import type { WeftClient } from '../api/client.ts';
import { parseAddress } from '../model/address/address.ts';
import { contains, parseCidr, parseRange } from '../model/address/cidr.ts';
import { collect, defaultTenant, globals, networkRef, usage, withClient } from './context.ts';
import { age, printJson, printObject, printTable } from './output.ts';

interface CreateOptions {
  subnet: string[];
  gateway: string[];
  reserve: string[];
  internal?: boolean;
  mtu?: number;
}

interface Subnet {
  cidr: string;
  gateway: string;
  reserved: string[];
}

/** The daemon waits 30 s for the hosts. */
const FORCE_DEADLINE = 35_000;

const EXAMPLES = `
Examples:
  weft network create acme/web
  weft network create acme/web --subnet 10.10.0.0/16 --subnet fd00:1::/64
  weft network create acme/db --subnet 10.20.0.0/24 --gateway 10.20.0.254 --reserve 10.20.0.0/28 --internal`;

export function networkCommand(): Command {
  const network = new Command('network')
    .description('networks: one segment of a tenant across all hosts')
    .addHelpText('after', '\nExamples:\n  weft network create acme/web --subnet 10.10.0.0/16\n  weft network ls -A');
  network
    .command('create <network>')
    .description('make a network: TENANT/NETWORK, or NETWORK of the default tenant')
    .option('--subnet <cidr>', 'IPv4 or IPv6 subnet, repeatable; without it one is chosen', collect, [])
    .option('--gateway <address>', 'gateway of the subnet it lies in (default: the first address)', collect, [])
    .option('--reserve <address|cidr>', 'never given to endpoints, repeatable', collect, [])
    .option('--internal', 'no gateway and no default route in containers')
    .option('--mtu <bytes>', 'MTU (default: the largest that fits every host)', wholeNumber)
    .option('-t, --tenant <tenant>', 'tenant of a NETWORK without one')
    .addHelpText('after', EXAMPLES)
    .action(async (ref: string, options: CreateOptions & { tenant?: string }, command: Command) => {
      const [tenant, name]: [string, string] = ref.includes('/')
        ? splitOnce(ref)
        : [defaultTenant(options.tenant), ref];
      const request = { tenant, name, subnets: subnetsOf(options), internal: options.internal ?? false };
      const made = await withClient(command, (client) =>
        client.call('CreateNetwork', { ...request, ...(options.mtu === undefined ? {} : { mtu: options.mtu }) }),
      );
      if (globals(command).output === 'json') printJson(made);
      else console.log(`${made.tenant}/${made.name}`);
    });
  network
    .command('ls')
    .description('list networks')
    .option('-t, --tenant <tenant>', 'of this tenant (default: $WEFT_TENANT, else "default")')
    .option('-A, --all', 'of all tenants')
    .addHelpText('after', '\nExamples:\n  weft network ls -t acme\n  weft network ls -A -o json')
    .action(async (options: { tenant?: string; all?: boolean }, command: Command) => {
      const filter = options.all ? {} : { tenant: defaultTenant(options.tenant) };
      const { networks } = await withClient(command, (client) => client.call('ListNetworks', filter));
      if (globals(command).output === 'json') return printJson(networks);
      printTable(networks, {
        NETWORK: ({ tenant, name }) => `${tenant}/${name}`,
        SUBNETS: ({ subnets }) => subnets.map(({ cidr }) => cidr).join(','),
        USED: ({ subnets }) => subnets.map(({ used, capacity }) => `${used}/${capacity}`).join(','),
        MTU: ({ mtu }) => mtu,
        VNI: ({ vni }) => vni,
        ENDPOINTS: ({ endpoints }) => endpoints,
        AGE: ({ createdAt }) => age(createdAt),
      });
    });
  network
    .command('inspect <network>')
    .description('show a network')
    .option('-t, --tenant <tenant>', 'tenant of a NETWORK without one')
    .addHelpText('after', '\nExample:\n  weft network inspect acme/web')
    .action(async (ref: string, options: { tenant?: string }, command: Command) => {
      const found = await withClient(command, (client) =>
        client.call('GetNetwork', { ref: networkRef(ref, options.tenant) }),
      );
      if (globals(command).output === 'json') printJson(found);
      else printObject({ ...found });
    });
  network
    .command('delete <network>')
    .description('delete a network, from all engines too; refused while it is in use')
    .option('--force', 'disconnect its containers and detach its endpoints first, on all hosts')
    .option('-t, --tenant <tenant>', 'tenant of a NETWORK without one')
    .addHelpText('after', '\nExamples:\n  weft network delete acme/web\n  weft network delete acme/web --force')
    .action(async (given: string, options: { tenant?: string; force?: boolean }, command: Command) => {
      const ref = networkRef(given, options.tenant);
      const force = options.force ?? false;
      await withClient(
        command,
        async (client) => {
          if (force) await listUsers(client, ref);
          await client.call('DeleteNetwork', { ref, force });
        },
        force ? { deadline: FORCE_DEADLINE } : {},
      );
    });
  return network;
}

/** Whom a forced deletion disconnects, on stderr: there is no way back. */
async function listUsers(client: WeftClient, ref: string): Promise<void> {
  const network = await client.call('GetNetwork', { ref });
  const { endpoints } = await client.call('ListEndpoints', { tenant: network.tenant, network: network.id, node: '' });
  for (const { name, node, addresses, engine } of endpoints) {
    console.error(`disconnecting ${engine.container?.name ?? name} (${addresses.join(', ')}) on ${node}`);
  }
}

function splitOnce(ref: string): [string, string] {
  const at = ref.indexOf('/');
  return [ref.slice(0, at), ref.slice(at + 1)];
}

/** Gateways and reservations belong to the subnet that contains them. */
export function subnetsOf(options: Pick<CreateOptions, 'subnet' | 'gateway' | 'reserve'>): Subnet[] {
  const subnets = options.subnet.map((cidr): Subnet => ({ cidr, gateway: '', reserved: [] }));
  const owner = (text: string, flag: string): Subnet => {
    const range = parseRange(text);
    if (!range) throw usage(`${flag} ${text}: not an address`);
    const address = { family: range.family, value: range.first };
    const found = subnets.find(({ cidr }) => {
      const parsed = parseCidr(cidr);
      return parsed && contains(parsed, address);
    });
    if (!found) throw usage(`${flag} ${text}: lies in no --subnet of this network`);
    return found;
  };
  for (const gateway of options.gateway) {
    if (!parseAddress(gateway)) throw usage(`--gateway ${gateway}: not an address`);
    const subnet = owner(gateway, '--gateway');
    if (subnet.gateway) throw usage(`--gateway ${gateway}: ${subnet.cidr} has gateway ${subnet.gateway} already`);
    subnet.gateway = gateway;
  }
  for (const range of options.reserve) owner(range, '--reserve').reserved.push(range);
  return subnets;
}

function wholeNumber(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw new InvalidArgumentError('give a whole number of bytes');
  return Number(text);
}
