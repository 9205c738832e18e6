/**
 * Who may send VXLAN to a node: exactly the endpoints of other nodes in the networks that the node takes part in. Pure;
 * the same state gives the same intent, whatever the order of its maps.
 */
import type { ClusterSettings, ClusterState } from '../model/cluster.ts';
import { parseAddress } from '../model/address/address.ts';
import { WeftError } from '../model/errors.ts';
import type { Endpoint } from '../model/objects.ts';
import { knownAddresses } from './port-guard/plan.ts';
import { gatewayMembers } from './routing/gateways.ts';
import { pinnedMembers } from './routing/pinned.ts';
import { planHostEgress, planTenantRouting } from './routing/plan.ts';
import { ownNetworks } from './routing/presence.ts';
import type { GuardMember, HostGuardIntent, TenantGuardIntent } from './ruleset.ts';

/** Throws WeftError `internal` for a node that the state does not hold: planning for it would drop all its traffic. */
export function planGuard(state: ClusterState, nodeId: string, settings: ClusterSettings): HostGuardIntent {
  const node = state.nodes.get(nodeId);
  if (!node) throw new WeftError('internal', `plan the VXLAN guard: no record of node ${nodeId}`, { object: nodeId });
  const present = ownNetworks(state, nodeId);
  const members = new Map<string, GuardMember>();
  for (const endpoint of state.endpoints.values()) {
    if (endpoint.node === nodeId || !present.has(endpoint.network)) continue;
    const member = memberOf(state, endpoint, settings);
    if (member) members.set(sortKey(member), member);
  }
  for (const member of [...gatewayMembers(state, nodeId, present), ...pinnedMembers(state, nodeId)]) {
    members.set(sortKey(member), member);
  }
  const sorted = [...members].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, member]) => member);
  const egress = planHostEgress(state, { node: nodeId, settings });
  return {
    ...{ kind: 'host-guard', vtep: node.vtep, overlayPort: settings.overlayPort, members: sorted },
    ...(egress ? { egress } : {}),
  };
}

export function planTenantGuard(
  state: ClusterState,
  tenant: string,
  context: { node: string; settings: ClusterSettings },
): TenantGuardIntent {
  const routing = planTenantRouting(state, tenant, context);
  const { overlayPort } = context.settings;
  if (!routing) return { kind: 'tenant-guard', overlayPort };
  const known = knownAddresses(state, { tenant, node: context.node });
  return { kind: 'tenant-guard', overlayPort, routing, known };
}

/** Undefined while the network or the node is unknown here, or the node's VTEP is not of the cluster's family. */
function memberOf(state: ClusterState, endpoint: Endpoint, settings: ClusterSettings): GuardMember | undefined {
  const network = state.networks.get(endpoint.network);
  const source = state.nodes.get(endpoint.node)?.vtep;
  if (!network || !source || parseAddress(source)?.family !== settings.vtepFamily) return undefined;
  return { source, vni: network.vni, mac: endpoint.mac };
}

function sortKey({ source, vni, mac }: GuardMember): string {
  return `${source} ${vni.toString(16).padStart(6, '0')} ${mac}`;
}
