/**
 * The published ports of all nodes, by the nodes' addresses. Containers are kept from the hosts of the cluster; what a host
 * publishes for everybody is for them too. Pure.
 */
import { parseAddress } from '../../model/address/address.ts';
import type { ClusterState } from '../../model/cluster.ts';
import type { Node } from '../../model/objects.ts';
import { ANY, addressesAsked, familiesOf, familyOf } from '../../model/ports/places.ts';
import type { Service } from './intent.ts';

/** Sorted, each once. */
export function publishedServices(state: ClusterState): Service[] {
  const services = new Map<string, Service>();
  for (const { node: id, ports = [], addresses, network } of state.endpoints.values()) {
    const node = ports.length > 0 ? state.nodes.get(id) : undefined;
    if (!node || state.networks.get(network)?.internal !== false) continue;
    const families = familiesOf(addresses);
    for (const { protocol, address, hostPort } of ports) {
      const asked = addressesAsked(address, families).flatMap((one) =>
        one === ANY[familyOf(one)] ? nodeAddresses(node).filter((own) => familyOf(own) === familyOf(one)) : [one],
      );
      // 127.0.0.1 is another place to everybody else.
      for (const one of asked.filter((place) => !place.startsWith('127.')))
        services.set(`${one} ${protocol} ${hostPort}`, { address: one, protocol, port: hostPort });
    }
  }
  return [...services].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, service]) => service);
}

/** By which others know a node. */
export function nodeAddresses({ vtep, api = '', addresses = [] }: Node): string[] {
  const host = api.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  return [...new Set([vtep, host, ...addresses])].filter((text) => parseAddress(text) !== undefined);
}
