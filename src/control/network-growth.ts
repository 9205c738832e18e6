/**
 * A network that runs full gets another subnet while it is in use. What stands keeps its addresses; the kernel's side (a second
 * gateway on the bridge, a route to the new subnet in containers that run) follows from the record, as everything does.
 */
import { BITS } from '../model/address/address.ts';
import { overlaps, parseCidr } from '../model/address/cidr.ts';
import type { Cidr } from '../model/address/cidr.ts';
import { WeftError } from '../model/errors.ts';
import { keys } from '../model/keys.ts';
import type { Network, Subnet } from '../model/objects.ts';
import { checkSubnet, invalid } from '../model/validate.ts';
import { commit } from './commit.ts';
import type { ControlDeps } from './context.ts';
import { assertApart } from './networks.ts';
import type { CallContext, NetworkExtension } from './port.ts';
import { assertStays, findNetwork, networkName } from './references.ts';
import { assertRevision } from './updates.ts';

/** as many as a network can be made with */
const MOST_SUBNETS = 16;

export async function extendNetwork(
  deps: ControlDeps,
  request: NetworkExtension,
  context?: CallContext,
): Promise<Network> {
  const subnet = checkSubnet('subnet', request.subnet);
  const decide = () => {
    const { state } = deps.view.current();
    const network = findNetwork(state, request.ref);
    const object = networkName(state, network);
    assertStays(state, network);
    const key = keys.network(network.id);
    assertRevision(deps, { key, asked: request.revision, object });
    if (network.subnets.length >= MOST_SUBNETS) {
      throw invalid('subnet', `${object} has ${MOST_SUBNETS} subnets, which is the most`);
    }
    const subnetsKey = keys.subnets(network.tenant);
    const ranges = deps.view.value<string[]>(subnetsKey) ?? [];
    assertApart([subnet], ranges, { object, tenant: network.tenant, state });
    assertNotRouted(network, subnet, object);
    assertOwnMacs(network, subnet, object);
    const next: Network = { ...network, subnets: [...network.subnets, subnet] };
    return {
      compare: [
        { key, revision: deps.view.revisionOf(key) },
        { key: subnetsKey, revision: deps.view.revisionOf(subnetsKey) },
      ],
      then: [
        { put: key, value: next },
        { put: subnetsKey, value: [...ranges, subnet.cidr] },
      ],
      result: next,
    };
  };
  return (await commit(deps, decide, context)).result;
}

/** A network's own routes lead elsewhere than to itself (model/routes.ts). */
function assertNotRouted(network: Network, subnet: Subnet, object: string): void {
  const route = network.routes?.find(({ destination }) => meets(parseCidr(destination), parseCidr(subnet.cidr)));
  if (!route) return;
  const what = `${subnet.cidr} overlaps ${route.destination}, to which ${object} has a route via ${route.via}`;
  throw new WeftError('subnet-overlap', what, { object });
}

/**
 * MACs have the low 32 bits of the address in them, which two IPv6 subnets may share where two of IPv4 cannot. The second
 * one's endpoints would answer for the first one's.
 */
function assertOwnMacs(network: Network, subnet: Subnet, object: string): void {
  const added = lowBits(subnet.cidr);
  const clash = network.subnets.find(({ cidr }) => added?.family === 6 && meets(added, lowBits(cidr)));
  if (!clash) return;
  throw invalid(
    'subnet.cidr',
    `${subnet.cidr} gives the same MAC addresses as ${clash.cidr} of ${object}: the last 32 bits of both overlap`,
    'choose a subnet of /97 to /126 whose last 32 bits are others',
  );
}

/** The addresses of a subnet without their upper bits. */
function lowBits(text: string): Cidr | undefined {
  const cidr = parseCidr(text);
  if (!cidr) return undefined;
  const prefix = Math.max(cidr.prefix, BITS[cidr.family] - 32);
  return { family: cidr.family, first: cidr.first & 0xffffffffn, prefix };
}

function meets(a: Cidr | undefined, b: Cidr | undefined): boolean {
  return a !== undefined && b !== undefined && overlaps(a, b);
}
