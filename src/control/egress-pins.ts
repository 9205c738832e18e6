/** The records of pinned egress: who may lead, by which addresses, and the VNI between them; each address has one tenant. */
import type { ClusterState } from '../model/cluster.ts';
import { WeftError } from '../model/errors.ts';
import { keys } from '../model/keys.ts';
import type { Egress, EgressPin, Tenant } from '../model/objects.ts';
import { checkPinnedAddresses, MOST_LEADERS } from '../model/pin.ts';
import { invalid } from '../model/validate.ts';
import { pinnedOf } from '../plan/routing/pinned.ts';
import type { Compare, Operation } from '../store/port.ts';
import type { ControlDeps } from './context.ts';
import { findNode } from './membership.ts';
import { freeVni } from './networks.ts';
import type { EgressRequest, EgressView } from './routing-port.ts';

type Deps = Pick<ControlDeps, 'settings' | 'view'>;

/** Undefined where nothing is pinned. Throws `invalid-argument`, `node-not-found`, `not-supported`, `no-free-vni`. */
export function pinOf(deps: Deps, request: EgressRequest, before: EgressPin | undefined): EgressPin | undefined {
  const { nodes: refs, addresses: texts } = request;
  if (refs.length === 0 && texts.length === 0) return undefined;
  if (refs.length === 0) throw invalid('nodes', 'an address needs the nodes that may have it');
  if (texts.length === 0) throw invalid('addresses', 'nodes that lead need an address by which the world knows them');
  if (refs.length > MOST_LEADERS) throw invalid('nodes', `${refs.length} are more than ${MOST_LEADERS}`);
  if (request.off) throw invalid('off', 'a tenant without a way out has no nodes that lead it');
  const { state } = deps.view.current();
  const nodes = refs.map((ref) => findNode(state, ref));
  const twice = nodes.findIndex((node, i) => nodes.indexOf(node) !== i);
  if (twice >= 0) throw invalid(`nodes[${twice}]`, `${nodes[twice]?.name ?? ''} is named twice`);
  const addresses = checkPinnedAddresses('addresses', texts, nodes);
  if (request.ipv6 === 'routed' && addresses.some((one) => one.includes(':'))) {
    throw invalid('ipv6', 'routed packets keep their own addresses: none can be pinned');
  }
  return { ...before, nodes: nodes.map(({ id }) => id), addresses, vni: before?.vni ?? freeVni(deps) };
}

/** What changes beside the record of the egress itself. Throws `address-taken`. */
export function pinChanges(
  deps: Deps,
  tenant: Tenant,
  { before, after }: { before: EgressPin | undefined; after: EgressPin | undefined },
): { compare: Compare[]; then: Operation[] } {
  const had = before?.addresses ?? [];
  const has = after?.addresses ?? [];
  const added = has.filter((address) => !had.includes(address));
  for (const address of added) assertFree(deps, tenant, address);
  const newVni = after && !before ? [after.vni] : [];
  const oldVni = before && !after ? [before.vni] : [];
  return {
    compare: [
      ...added.map((address) => ({ key: keys.egressAddress(address), revision: 0 })),
      ...newVni.map((vni) => ({ key: keys.vni(vni), revision: 0 })),
    ],
    then: [
      ...had.filter((one) => !has.includes(one)).map((address) => ({ delete: keys.egressAddress(address) })),
      ...added.map((address) => ({ put: keys.egressAddress(address), value: tenant.id })),
      ...oldVni.map((vni) => ({ delete: keys.vni(vni) })),
      ...newVni.map((vni) => ({ put: keys.vni(vni), value: tenant.id })),
    ],
  };
}

/** With its tenant. */
export function egressRemoval(tenant: string, egress: Egress | undefined): Operation[] {
  const { addresses = [], vni } = egress?.pin ?? {};
  return [
    { delete: keys.egress(tenant) },
    ...addresses.map((address) => ({ delete: keys.egressAddress(address) })),
    ...(vni === undefined ? [] : [{ delete: keys.vni(vni) }]),
  ];
}

/** Names of the nodes, of the one that leads, and since when. */
export function pinView(
  state: ClusterState,
  tenant: string,
): Pick<EgressView, 'nodes' | 'addresses' | 'leader' | 'since'> {
  const pinned = pinnedOf(state, tenant);
  if (!pinned) return { nodes: [], addresses: [], leader: '', since: '' };
  const { pin, leader } = pinned;
  return {
    nodes: pin.nodes.map((id) => state.nodes.get(id)?.name ?? id),
    addresses: pin.addresses,
    leader: leader?.name ?? '',
    since: leader ? (state.egressHolders.get(tenant)?.since ?? '') : '',
  };
}

function assertFree({ view }: Deps, tenant: Tenant, address: string): void {
  const holder = view.value<string>(keys.egressAddress(address));
  if (holder === undefined || holder === tenant.id) return;
  const name = view.current().state.tenants.get(holder)?.name ?? holder;
  throw new WeftError('address-taken', `${address} is pinned to tenant "${name}"`, {
    object: address,
    next: `weft egress show ${name}`,
  });
}
