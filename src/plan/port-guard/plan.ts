/** From the cluster's state to the guard of a tenant's endpoint ports on one host. Pure. */
import { formatAddress } from '../../model/address/address.ts';
import { bareAddress } from '../../model/address/cidr.ts';
import { linkLocalOf, macFor } from '../../model/address/mac.ts';
import type { ClusterState } from '../../model/cluster.ts';
import { linkNames } from '../../model/names.ts';
import type { Endpoint, Network, SharedAddress } from '../../model/objects.ts';
import { candidatesOf, holderOf, sharedByNetwork } from '../../model/shared.ts';
import { presentNetworks } from '../routing/presence.ts';
import type { GuardedPort, PortGuardIntent } from './intent.ts';

/** `tenant` and `node`: ids. */
export function planPortGuard(
  state: ClusterState,
  { tenant, node }: { tenant: string; node: string },
): PortGuardIntent {
  const { networks, endpoints, shared } = presentOf(state, tenant, node);
  const local = endpoints.filter((endpoint) => endpoint.node === node);
  const ports = local.map((endpoint) => guardedPort(endpoint, partIn(state, shared, endpoint)));
  return { kind: 'port-guard', ports: ports.sort(byPort), known: knownOf(networks, endpoints, shared) };
}

/** Addresses that somebody answers for in the tenant's networks that this host builds; sorted. */
export function knownAddresses(state: ClusterState, { tenant, node }: { tenant: string; node: string }): string[] {
  const { networks, endpoints, shared } = presentOf(state, tenant, node);
  return knownOf(networks, endpoints, shared);
}

function presentOf(state: ClusterState, tenant: string, node: string) {
  const present = presentNetworks(state, node);
  const networks = [...state.networks.values()].filter((one) => one.tenant === tenant && present.has(one.id));
  const ids = new Set(networks.map(({ id }) => id));
  const moving = sharedByNetwork(state);
  return {
    networks,
    endpoints: [...state.endpoints.values()].filter(({ network }) => ids.has(network)),
    shared: networks.flatMap(({ id }) => moving.get(id) ?? []),
  };
}

function knownOf(
  networks: readonly Network[],
  endpoints: readonly Endpoint[],
  shared: readonly SharedAddress[],
): string[] {
  const moving = shared.map(({ address }) => address);
  return [...new Set([...networks.flatMap(gatewaysOf), ...endpoints.flatMap(addressesOf), ...moving])].sort();
}

interface Part {
  addresses: string[];
  /** of those, which are not its own now */
  claims: string[];
}

/** Of an endpoint in the shared addresses of its network. */
function partIn(state: ClusterState, shared: readonly SharedAddress[], endpoint: Endpoint): Part {
  const mine = shared.filter((one) => candidatesOf(state, one).includes(endpoint));
  const others = mine.filter((one) => holderOf(state, one) !== endpoint);
  const texts = (list: readonly SharedAddress[]) => list.map(({ address }) => address).sort();
  return { addresses: texts(mine), claims: texts(others) };
}

/** Link-local also where the network has no IPv6: kernels speak from it all the same, and it is the endpoint's own. */
function guardedPort(endpoint: Endpoint, shared: Part): GuardedPort {
  const addresses = new Set([...addressesOf(endpoint), linkLocal(endpoint.mac), ...shared.addresses]);
  const own = { port: linkNames.port(endpoint.id), mac: endpoint.mac, addresses: [...addresses].sort() };
  return shared.claims.length > 0 ? { ...own, claims: shared.claims } : own;
}

function addressesOf({ addresses, mac }: Endpoint): string[] {
  const own = addresses.map(bareAddress);
  return own.some((address) => address.includes(':')) ? [...own, linkLocal(mac)] : own;
}

/** Of the bridge itself, which answers for them on every host. */
function gatewaysOf({ internal, subnets, vni }: Network): string[] {
  if (internal) return [];
  const gateways = subnets.map(({ gateway }) => gateway);
  const [first] = gateways;
  return first !== undefined && gateways.some((gateway) => gateway.includes(':'))
    ? [...gateways, linkLocal(macFor(vni, first))]
    : gateways;
}

function linkLocal(mac: string): string {
  return formatAddress(linkLocalOf(mac));
}

function byPort(a: GuardedPort, b: GuardedPort): number {
  return a.port < b.port ? -1 : 1;
}
