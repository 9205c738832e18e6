/**
 * Pinned egress: of the nodes that a tenant's egress names, one at a time leads what the tenant's containers on all hosts
 * send to the outside, by an address that the world knows. The others send it there over a VNI of its own:
 *
 *   container -> its gateway -> wt<vni> ==VXLAN==> wt<vni> of the leader -> up0 -> the leader's uplink, from the address
 *
 * Answers come back on the container's own network, straight from the leader, as routed packets do (gateways.ts). Pure.
 */
import { macFor } from '../../model/address/mac.ts';
import type { ClusterSettings, ClusterState } from '../../model/cluster.ts';
import { overlayOverhead } from '../../model/cluster.ts';
import { linkNames } from '../../model/names.ts';
import type { EgressPin, Node } from '../../model/objects.ts';
import { familiesOf } from '../../model/ports/places.ts';
import type { Families } from '../../model/ports/places.ts';
import { ALIAS_PREFIX } from '../objects.ts';
import type { KernelObject } from '../objects.ts';
import type { GuardMember } from '../ruleset.ts';
import { gatewayMac } from './gateways.ts';
import { ownNetworks } from './presence.ts';

export type Family = 4 | 6;

/** Of packets that leave by another host, in a tenant's namespace; and the routing table that leads there. */
export const PINNED_MARK = 0x77;
export const PINNED_TABLE = 119;
/** Nobody has them: what they lead to is told by a permanent neighbour, so that a change of the leader changes one entry. */
const NEXT_HOP = { 4: '169.254.0.1', 6: 'fe80::1' } as const;
const DEFAULT = { 4: '0.0.0.0/0', 6: '::/0' } as const;

export interface Pinned {
  pin: EgressPin;
  families: Families;
  /** undefined: nobody has claimed it, and nothing leaves */
  leader: Node | undefined;
}

/** Undefined where a tenant's packets leave by the host they come from. */
export function pinnedOf(state: ClusterState, tenant: string): Pinned | undefined {
  const egress = state.egress.get(tenant);
  if (!egress?.pin || egress.off) return undefined;
  const { pin } = egress;
  const holder = state.egressHolders.get(tenant)?.node;
  const leader = holder !== undefined && pin.nodes.includes(holder) ? state.nodes.get(holder) : undefined;
  return { pin, families: familiesOf(pin.addresses), leader };
}

/** Tenants whose packets the node leads out now. */
export function ledBy(state: ClusterState, node: string): string[] {
  return [...state.egress.keys()].filter((tenant) => pinnedOf(state, tenant)?.leader?.id === node);
}

/** Who should lead: the first of the list that lives. Everybody who sees the same leases chooses the same. */
export function chosenLeader(state: Pick<ClusterState, 'live' | 'nodes'>, pin: EgressPin): string | undefined {
  return pin.nodes.find((id) => state.live.has(id) && state.nodes.has(id));
}

/** In the tenant's namespace of a host with networks of it. */
export function relayObjects(
  state: ClusterState,
  { pin, families, leader }: Pinned,
  { node, settings }: { node: Node; settings: ClusterSettings },
): KernelObject[] {
  const link = linkNames.relay(pin.vni);
  const objects: KernelObject[] = [
    {
      ...{ kind: 'relay', name: link, alias: `${ALIAS_PREFIX}relay:${pin.vni}`, up: true },
      ...{ mtu: node.underlayMtu - overlayOverhead(settings.vtepFamily), mac: relayMac(pin, node) },
      ...{ vni: pin.vni, local: node.vtep, udpPort: settings.overlayPort },
    },
    ...others(state, pin.nodes, node.id).map((one): KernelObject => {
      return { kind: 'fdb', link, mac: relayMac(pin, one), via: 'self', dst: one.vtep };
    }),
  ];
  if (!leader || leader.id === node.id) return objects;
  return [...objects, ...families.flatMap((family) => wayTo(relayMac(pin, leader), { link, family }))];
}

/** Marked packets ask the main table first, for all but its default route: what the tenant routes itself stays here. */
function wayTo(mac: string, { link, family }: { link: string; family: Family }): KernelObject[] {
  const rule = { kind: 'rule', family, mark: PINNED_MARK } as const;
  return [
    { kind: 'neighbour', link, address: NEXT_HOP[family], mac },
    { kind: 'route', link, destination: DEFAULT[family], gateway: NEXT_HOP[family], table: PINNED_TABLE, onlink: true },
    { ...rule, priority: 100, table: 254, suppressPrefixLength: 0 },
    { ...rule, priority: 101, table: PINNED_TABLE },
  ];
}

/** What a node has to take from others because of pinned egress; see ruleset.ts. */
export function pinnedMembers(state: ClusterState, node: string): GuardMember[] {
  const tenants = [...state.egress.keys()].flatMap((tenant) => {
    const pin = pinnedOf(state, tenant)?.pin;
    return pin ? [{ tenant, pin }] : [];
  });
  if (tenants.length === 0) return [];
  const own = ownNetworks(state, node);
  const senders = new Map<string, Set<string>>();
  for (const { network, node: sender } of [...state.endpoints.values(), ...state.bindings.values()]) {
    const tenant = state.networks.get(network)?.tenant ?? '';
    senders.set(tenant, (senders.get(tenant) ?? new Set<string>()).add(sender));
  }
  return tenants.flatMap(({ tenant, pin }) => {
    const networks = [...state.networks.values()].filter((one) => one.tenant === tenant && own.has(one.id));
    const answers = others(state, pin.nodes, node).flatMap(({ vtep }) =>
      networks
        .filter(({ internal }) => !internal)
        .map((network) => ({ source: vtep, vni: network.vni, mac: gatewayMac(network) })),
    );
    if (!pin.nodes.includes(node)) return answers;
    const sent = others(state, [...(senders.get(tenant) ?? [])], node).map((one) => {
      return { source: one.vtep, vni: pin.vni, mac: relayMac(pin, one) };
    });
    return [...answers, ...sent];
  });
}

/** VTEPs are the nodes' own, so these are, too. */
function relayMac({ vni }: EgressPin, { vtep }: Node): string {
  return macFor(vni, vtep);
}

/** Nodes that are known, of one family of VTEPs as a cluster has it. */
function others(state: ClusterState, ids: readonly string[], node: string): Node[] {
  const ipv6 = state.nodes.get(node)?.vtep.includes(':');
  return ids
    .filter((id) => id !== node)
    .flatMap((id) => state.nodes.get(id) ?? [])
    .filter(({ vtep }) => vtep.includes(':') === ipv6);
}
