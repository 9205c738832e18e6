import { Command, InvalidArgumentError } from 'commander';
import type { WeftClient } from '../api/client.ts';
import { parseAddress } from '../model/address/address.ts';
import { contains, parseCidr, parseRange } from '../model/address/cidr.ts';
import { readEndpoints } from './endpoint.ts';
import { collect, defaultTenant, globals, networkRef, usage, withClient } from './context.ts';
import { labelText, parseLabels } from './labels.ts';
import { addList, readAll, withScope } from './list.ts';
import { age, print, printObject } from './output.ts';

interface CreateOptions {
  subnet: string[];
  gateway: string[];
  reserve: string[];
  internal?: boolean;
  mtu?: number;
  label: string[];
}

interface UpdateOptions {
  label: string[];
  reserve: string[];
  unreserve: string[];
  revision?: number;
  tenant?: string;
}

interface ExtendOptions {
  subnet: string;
  gateway: string[];
  reserve: string[];
  revision?: number;
  tenant?: string;
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

const EXTEND_NOTES = `
Endpoints keep their addresses; containers that run get a route to the new subnet. Its addresses are given when the
subnets of its family before it have none left.

Example:
  weft network extend acme/web --subnet 10.11.0.0/16`;

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
    .option('--label <key=value>', 'label, repeatable', collect, [])
    .option('-t, --tenant <tenant>', 'tenant of a NETWORK without one')
    .addHelpText('after', EXAMPLES)
    .action(async (ref: string, options: CreateOptions & { tenant?: string }, command: Command) => {
      const [tenant, name]: [string, string] = ref.includes('/')
        ? splitOnce(ref)
        : [defaultTenant(options.tenant), ref];
      const request = {
        tenant,
        name,
        subnets: subnetsOf(options),
        internal: options.internal ?? false,
        labels: parseLabels(options.label),
      };
      const made = await withClient(command, (client) =>
        client.call('CreateNetwork', { ...request, ...(options.mtu === undefined ? {} : { mtu: options.mtu }) }),
      );
      print(globals(command).output, made, () => console.log(`${made.tenant}/${made.name}`));
    });
  addList(
    withScope(network.command('ls'))
      .description('list networks')
      .addHelpText('after', '\nExamples:\n  weft network ls -t acme\n  weft network ls -A --label team=shop -o json'),
    {
      kind: 'network',
      read: async (client, filter) => {
        const { networks, nextPageToken } = await client.call('ListNetworks', filter);
        return { items: networks, nextPageToken };
      },
      columns: {
        NETWORK: ({ tenant, name }) => `${tenant}/${name}`,
        SUBNETS: ({ subnets }) => subnets.map(({ cidr }) => cidr).join(','),
        USED: ({ subnets }) =>
          subnets.map(({ used, capacity, percentUsed }) => `${used}/${capacity} (${percentUsed}%)`).join(','),
        MTU: ({ mtu }) => mtu,
        VNI: ({ vni }) => vni,
        ENDPOINTS: ({ endpoints }) => endpoints,
        STATE: ({ state }) => state,
        AGE: ({ createdAt }) => age(createdAt),
      },
      wide: {
        ID: ({ id }) => id,
        ORIGIN: ({ origin }) => origin,
        'BOUND/HELD/RESTING/FREE': ({ subnets }) =>
          subnets.map(({ bound, held, resting, free }) => [bound, held, resting, free].join('/')).join(','),
        INTERNAL: ({ internal }) => (internal ? 'yes' : 'no'),
        NODES: ({ bindings }) => [...new Set(bindings.map(({ node }) => node))].join(','),
        LABELS: ({ labels }) => labelText(labels),
      },
    },
  );
  network
    .command('inspect <network>')
    .description('show a network')
    .option('-t, --tenant <tenant>', 'tenant of a NETWORK without one')
    .addHelpText('after', '\nExample:\n  weft network inspect acme/web')
    .action(async (ref: string, options: { tenant?: string }, command: Command) => {
      const found = await withClient(command, (client) =>
        client.call('GetNetwork', { ref: networkRef(ref, options.tenant) }),
      );
      print(globals(command).output, found, () => printObject({ ...found }));
    });
  network
    .command('update <network>')
    .description('change the labels of a network, or the addresses it keeps back')
    .option('--label <key=value>', 'set a label; KEY= removes it; repeatable', collect, [])
    .option('--reserve <address|cidr>', 'give it to no endpoint from now on, repeatable', collect, [])
    .option('--unreserve <address|cidr>', 'give it to endpoints again, repeatable', collect, [])
    .option('--revision <n>', 'only if the network is still at this revision', wholeNumber)
    .option('-t, --tenant <tenant>', 'tenant of a NETWORK without one')
    .addHelpText('after', '\nExample:\n  weft network update acme/web --reserve 10.10.9.0/24 --label team=shop')
    .action(async (ref: string, options: UpdateOptions, command: Command) => {
      const updated = await withClient(command, (client) =>
        client.call('UpdateNetwork', {
          ref: networkRef(ref, options.tenant),
          revision: options.revision ?? 0,
          labels: parseLabels(options.label),
          reserve: options.reserve,
          unreserve: options.unreserve,
        }),
      );
      print(globals(command).output, updated, () => printObject({ ...updated }));
    });
  network
    .command('extend <network>')
    .description('add a subnet to a network that is in use')
    .requiredOption('--subnet <cidr>', 'IPv4 or IPv6 subnet')
    .option('--gateway <address>', 'gateway (default: the first address)', collect, [])
    .option('--reserve <address|cidr>', 'never given to endpoints, repeatable', collect, [])
    .option('--revision <n>', 'only if the network is still at this revision', wholeNumber)
    .option('-t, --tenant <tenant>', 'tenant of a NETWORK without one')
    .addHelpText('after', EXTEND_NOTES)
    .action(async (ref: string, options: ExtendOptions, command: Command) => {
      const [subnet] = subnetsOf({ ...options, subnet: [options.subnet] });
      if (!subnet) throw usage('--subnet is missing');
      const request = { ref: networkRef(ref, options.tenant), revision: options.revision ?? 0, subnet };
      const extended = await withClient(command, (client) => client.call('ExtendNetwork', request));
      print(globals(command).output, extended, () => printObject({ ...extended }));
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
  const endpoints = await readAll(client, readEndpoints, { network: network.id });
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
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('give a whole number');
  return Number(text);
}
