/** From what people write to the records of shared addresses, and back. */
import { parseAddress } from '../../model/address/address.ts';
import type { Address } from '../../model/address/address.ts';
import { contains, formatCidr, parseCidr } from '../../model/address/cidr.ts';
import type { ClusterState } from '../../model/cluster.ts';
import { WeftError } from '../../model/errors.ts';
import { poolOf } from '../../model/ipam/pool.ts';
import type { Pool } from '../../model/ipam/pool.ts';
import { keys } from '../../model/keys.ts';
import type { Endpoint, Network, SharedAddress, Subnet } from '../../model/objects.ts';
import { candidatesOf, holderOf } from '../../model/shared.ts';
import { checkAddressIn, clip, invalid } from '../../model/validate.ts';
import { findEndpoint, findNetwork, networkName } from '../references.ts';
import type { SharedAddressView } from './port.ts';

/** An address as a place in a network. */
export interface Place {
  network: Network;
  /** TENANT/NETWORK */
  object: string;
  subnet: Subnet;
  pool: Pool;
  /** canonical */
  address: string;
  value: Address;
}

/** Throws `network-not-found`, `address-outside`, and `invalid-argument` for what is no address or the gateway's. */
export function placeOf(state: ClusterState, ref: string, text: string): Place {
  const network = findNetwork(state, ref);
  const object = networkName(state, network);
  const value = parseAddress(text);
  if (!value) throw invalid('address', `"${clip(text)}" is not an IP address`);
  for (const subnet of network.subnets) {
    const cidr = parseCidr(subnet.cidr);
    if (!cidr || !contains(cidr, value)) continue;
    const address = checkAddressIn('address', text, cidr);
    const pool = poolOf(subnet);
    const outside = value.value < pool.low || (value.family === 4 && value.value > pool.high);
    if (address === subnet.gateway) throw invalid('address', `${address} is the gateway of ${object}`);
    if (outside) throw invalid('address', `${address} is the network or broadcast address of ${formatCidr(cidr)}`);
    return { network, object, subnet, pool, address, value };
  }
  const subnets = network.subnets.map(({ cidr }) => cidr).join(', ');
  throw new WeftError('address-outside', `${text} is in no subnet of ${object} (${subnets})`, { object });
}

/** Throws `address-not-shared`. */
export function findShared(state: ClusterState, { network, object, address }: Place): SharedAddress {
  const found = state.shared.get(keys.shared(network.id, address));
  if (found && found.endpoints.length > 0) return found;
  throw new WeftError('address-not-shared', `${address} of ${object} is not shared`, {
    object,
    next: `weft address ls ${object}`,
  });
}

/** Endpoints of the network. Throws `endpoint-not-found`, and `invalid-argument` for those of another network. */
export function endpointsOf(state: ClusterState, { network, object }: Place, refs: readonly string[]): Endpoint[] {
  return refs.map((ref, i) => {
    const byId = ref.includes('/') ? undefined : state.endpoints.get(ref.toUpperCase());
    const endpoint = byId ?? findEndpoint(state, ref.includes('/') ? ref : `${object}/${ref}`);
    if (endpoint.network !== network.id) throw invalid(`endpoints[${i}]`, `${ref} is not of ${object}`);
    return endpoint;
  });
}

export function sharedView(state: ClusterState, shared: SharedAddress): SharedAddressView {
  const network = state.networks.get(shared.network);
  const holder = holderOf(state, shared);
  const endpoints = candidatesOf(state, shared).map(({ name }) => name);
  const givenUp = shared.endpoints.length === 0;
  return {
    address: shared.address,
    tenant: state.tenants.get(network?.tenant ?? '')?.name ?? '',
    network: network?.name ?? shared.network,
    holder: holder?.name ?? '',
    node: holder ? (state.nodes.get(holder.node)?.name ?? holder.node) : '',
    endpoints,
    state: givenUp ? 'resting' : holder ? 'held' : 'waiting',
    by: shared.by,
    since: shared.since,
    createdAt: shared.createdAt,
    note: givenUp || holder ? '' : noteOf(state, shared, endpoints),
  };
}

function noteOf(state: ClusterState, { holder }: SharedAddress, endpoints: string[]): string {
  const why = holder !== null && !state.endpoints.has(holder) ? 'its holder is gone' : 'nobody was given it';
  if (endpoints.length === 0) return `${why}, and so are all others: name new ones with weft address share`;
  return `${why}: the first of ${endpoints.join(', ')} that announces it has it`;
}
