/** How full the subnets of a network are. Pure over the cluster's picture. */
import { parseAddress } from '../model/address/address.ts';
import type { Family } from '../model/address/address.ts';
import { contains } from '../model/address/cidr.ts';
import type { ClusterState } from '../model/cluster.ts';
import { capacityOf, poolOf } from '../model/ipam/pool.ts';
import { percentUsed, totalUsage, usage } from '../model/ipam/usage.ts';
import type { Usage } from '../model/ipam/usage.ts';
import type { AddressRecord, AddressState, Network } from '../model/objects.ts';

export interface SubnetUsage {
  cidr: string;
  family: Family;
  usage: Usage;
}

/** One for each subnet, in their order. */
export function subnetUsages(network: Network, records: Iterable<AddressRecord>): SubnetUsage[] {
  const subnets = network.subnets.map((subnet) => ({
    cidr: subnet.cidr,
    pool: poolOf(subnet),
    records: new Array<{ address: bigint; state: AddressState }>(),
  }));
  for (const { network: id, address: text, state } of records) {
    const address = id === network.id ? parseAddress(text) : undefined;
    const subnet = address && subnets.find(({ pool }) => contains(pool.cidr, address));
    if (address) subnet?.records.push({ address: address.value, state });
  }
  return subnets.map(({ cidr, pool, records: own }) => ({ cidr, family: pool.cidr.family, usage: usage(pool, own) }));
}

/**
 * Of each network and family in which `percent` or more may be used: an endpoint needs an address of every family that its
 * network has. Records are counted first and read only where their number says that it matters.
 */
export function familyUsages(
  state: ClusterState,
  percent: number,
): { network: Network; family: Family; usage: Usage }[] {
  const records = new Map<string, AddressRecord[]>();
  for (const record of state.addresses.values()) {
    const others = records.get(record.network);
    if (others) others.push(record);
    else records.set(record.network, [record]);
  }
  return [...state.networks.values()].flatMap((network) => {
    const own = records.get(network.id) ?? [];
    if (!network.subnets.some((subnet) => BigInt(own.length * 100) >= capacityOf(poolOf(subnet)) * BigInt(percent))) {
      return [];
    }
    const subnets = subnetUsages(network, own);
    return ([4, 6] as const).flatMap((family) => {
      const mine = subnets.filter((subnet) => subnet.family === family);
      return mine.length === 0 ? [] : [{ network, family, usage: totalUsage(mine.map((one) => one.usage)) }];
    });
  });
}

/** Who has the addresses of a network, for people: "host1 120, host2 133; resting 4". */
export function usersOf(state: ClusterState, network: Network): string {
  const byNode = new Map<string, number>();
  let resting = 0;
  for (const record of state.addresses.values()) {
    if (record.network !== network.id) continue;
    if (record.state === 'resting') resting++;
    else byNode.set(record.node, (byNode.get(record.node) ?? 0) + 1);
  }
  const nodes = [...byNode].map(([node, count]) => `${state.nodes.get(node)?.name ?? node} ${count}`).sort();
  return [nodes.join(', ') || 'none in use', ...(resting > 0 ? [`resting ${resting}`] : [])].join('; ');
}

/** As decimal text, since a /64 has more addresses than a number can tell apart. */
export function usageView(usage: Usage) {
  const { bound, held, resting, free, capacity } = usage;
  return {
    capacity: capacity.toString(),
    used: (bound + held + resting).toString(),
    bound: bound.toString(),
    held: held.toString(),
    resting: resting.toString(),
    free: free.toString(),
    percentUsed: percentUsed(usage),
  };
}
