/**
 * Routed packets between hosts. The host where a packet comes from is its gateway: it leaves on the target network's VNI,
 * with that network's gateway MAC as its inner source. So a node that has endpoints in a routed network takes that MAC from
 * every other node that a router gives a reason to send there. Pure.
 */
import { parseAddress } from '../../model/address/address.ts';
import { macFor } from '../../model/address/mac.ts';
import type { ClusterState } from '../../model/cluster.ts';
import type { Network } from '../../model/objects.ts';
import type { GuardMember } from '../ruleset.ts';
import { joined } from './presence.ts';

/** The bridge's MAC, the same on every host. */
export function gatewayMac(network: Network): string {
  return macFor(network.vni, network.subnets[0]?.gateway ?? '0.0.0.0');
}

/** `own`: ids of the networks with something of the node's own */
export function gatewayMembers(state: ClusterState, node: string, own: ReadonlySet<string>): GuardMember[] {
  const family = parseAddress(state.nodes.get(node)?.vtep ?? '')?.family;
  const holders = new Map<string, Set<string>>();
  for (const one of [...state.endpoints.values(), ...state.bindings.values()]) {
    const nodes = holders.get(one.network) ?? new Set<string>();
    holders.set(one.network, nodes.add(one.node));
  }
  return [...state.routers.values()].flatMap((router) => {
    const networks = joined(state, router);
    const nodes = new Set(networks.flatMap(({ id }) => [...(holders.get(id) ?? [])]));
    nodes.delete(node);
    const sources = [...nodes].flatMap((id) => {
      const vtep = state.nodes.get(id)?.vtep;
      return vtep !== undefined && parseAddress(vtep)?.family === family ? [vtep] : [];
    });
    return networks
      .filter(({ id }) => own.has(id) && networks.length > 1)
      .flatMap((network) => sources.map((source) => ({ source, vni: network.vni, mac: gatewayMac(network) })));
  });
}
