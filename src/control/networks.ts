import { formatCidr, overlaps, parseCidr } from '../model/address/cidr.ts';
import type { Cidr } from '../model/address/cidr.ts';
import { overlayOverhead } from '../model/cluster.ts';
import type { ClusterSettings, ClusterState } from '../model/cluster.ts';
import { WeftError } from '../model/errors.ts';
import { chooseSubnet } from '../model/ipam/choose-subnet.ts';
import { defaultGateway } from '../model/ipam/pool.ts';
import { keys, prefixes } from '../model/keys.ts';
import { hash64, newId } from '../model/names.ts';
import type { Network, Origin, StaticRoute, Subnet, Tenant } from '../model/objects.ts';
import { checkLabels, checkMtu, checkName, checkSubnet, invalid } from '../model/validate.ts';
import type { Compare, Operation } from '../store/port.ts';
import { commit } from './commit.ts';
import type { Decision } from './commit.ts';
import type { ControlDeps } from './context.ts';
import type { CallContext, NetworkRequest } from './port.ts';
import { findTenant, networkName } from './references.ts';
import { DEFAULT_TENANT, newTenant, tenantRecords, tenantRemoval } from './tenants.ts';

export interface NetworkPlan {
  tenant: string;
  name: string;
  /** checked; empty: one IPv4 subnet is chosen that overlaps neither the tenant's nor `avoid` */
  subnets: Subnet[];
  avoid: Cidr[];
  internal: boolean;
  mtu: number | undefined;
  /** checked */
  routes?: StaticRoute[];
  origin: Origin;
  labels?: Record<string, string>;
  /** make a missing tenant, to go with its last network */
  makeTenant: boolean;
}

export async function createNetwork(
  deps: ControlDeps,
  request: NetworkRequest,
  context?: CallContext,
): Promise<Network> {
  checkName('name', request.name);
  const subnets = request.subnets.map((subnet, i) => checkSubnet(`subnets[${i}]`, subnet));
  const plan: NetworkPlan = {
    tenant: request.tenant,
    name: request.name,
    subnets,
    avoid: subnets.length > 0 ? [] : await deps.hostRoutes(),
    internal: request.internal ?? false,
    mtu: request.mtu,
    origin: 'user',
    labels: checkLabels('labels', request.labels ?? {}),
    makeTenant: request.tenant === DEFAULT_TENANT,
  };
  return (await commit(deps, () => decideNetwork(deps, plan), context)).result;
}

/** The transaction that makes a network; an engine's create adds its binding to the same one. */
export function decideNetwork(deps: ControlDeps, plan: NetworkPlan): Decision<Network> {
  const { state } = deps.view.current();
  const made = plan.makeTenant && !deps.view.entry(keys.tenantName(plan.tenant));
  const tenant = made
    ? newTenant(checkName('tenant', plan.tenant), 'engine', deps.now())
    : findTenant(state, plan.tenant);
  const nameKey = keys.networkName(tenant.id, plan.name);
  const object = `${tenant.name}/${plan.name}`;
  if (deps.view.entry(nameKey)) {
    throw new WeftError('name-taken', `there is a network "${object}" already`, {
      object,
      next: `weft network inspect ${object}`,
    });
  }
  const ranges = deps.view.value<string[]>(keys.subnets(tenant.id)) ?? [];
  const subnets = plan.subnets.length > 0 ? plan.subnets : [freeSubnet(deps, ranges, plan.avoid, object)];
  assertApart(subnets, ranges, { object, tenant: tenant.id, state });
  const largest = largestMtu(deps.settings, state);
  const network: Network = {
    id: newId(),
    tenant: tenant.id,
    name: plan.name,
    vni: freeVni(deps),
    subnets,
    internal: plan.internal,
    mtu: plan.mtu === undefined ? largest : checkMtu('mtu', plan.mtu, largest),
    ...(plan.routes ? { routes: plan.routes } : {}),
    origin: plan.origin,
    createdAt: deps.now().toISOString(),
    labels: plan.labels ?? {},
  };
  const all = [...ranges, ...subnets.map((subnet) => subnet.cidr)];
  const tenantPart = made ? tenantRecords(tenant, all) : growTenant(deps, tenant, all);
  return {
    compare: [...tenantPart.compare, { key: nameKey, revision: 0 }, { key: keys.vni(network.vni), revision: 0 }],
    then: [
      ...tenantPart.then,
      { put: keys.network(network.id), value: network },
      { put: nameKey, value: network.id },
      { put: keys.vni(network.vni), value: network.id },
    ],
    result: network,
  };
}

/** `subnets/<tenant>` is written by every change of a tenant's networks: comparing it serialises them. */
function growTenant(deps: ControlDeps, tenant: Tenant, ranges: string[]): { compare: Compare[]; then: Operation[] } {
  const key = keys.subnets(tenant.id);
  return { compare: [{ key, revision: deps.view.revisionOf(key) }], then: [{ put: key, value: ranges }] };
}

/**
 * Everything of a network goes in one transaction, on condition that nobody has an endpoint or a binding by then. A
 * tenant that an engine's create made goes with its last network.
 */
export function decideRemoval(
  deps: ControlDeps,
  state: ClusterState,
  network: Network,
): { compare: Compare[]; then: Operation[] } {
  const subnetsKey = keys.subnets(network.tenant);
  const tenant = state.tenants.get(network.tenant);
  const last = ![...state.networks.values()].some((other) => other.tenant === network.tenant && other !== network);
  const ranges = deps.view.value<string[]>(subnetsKey) ?? [];
  const own = new Set(network.subnets.map((subnet) => subnet.cidr));
  return {
    compare: [
      { key: keys.network(network.id), revision: deps.view.revisionOf(keys.network(network.id)) },
      { key: subnetsKey, revision: deps.view.revisionOf(subnetsKey) },
      { emptyPrefix: prefixes.endpointsOf(network.id) },
      { emptyPrefix: prefixes.bindingsOf(network.id) },
      // An endpoint may be in its node's journal alone: who has let go of all space in the network has none.
      { emptyPrefix: prefixes.blocksOf(network.id) },
    ],
    then: [
      { delete: keys.network(network.id) },
      { delete: keys.networkName(network.tenant, network.name) },
      { delete: keys.vni(network.vni) },
      { deletePrefix: prefixes.addressesOf(network.id) },
      { deletePrefix: prefixes.sharedOf(network.id) },
      { deletePrefix: prefixes.macsOf(network.id) },
      { deletePrefix: prefixes.endpointNamesOf(network.id) },
      ...(tenant && last && tenant.origin === 'engine'
        ? tenantRemoval(tenant, state.egress.get(tenant.id))
        : [{ put: subnetsKey, value: ranges.filter((range) => !own.has(range)) }]),
    ],
  };
}

/** From each other and from `ranges`, which are those of the tenant (its id). */
export function assertApart(
  subnets: Subnet[],
  ranges: string[],
  context: { object: string; tenant: string; state: ClusterState },
): void {
  const seen = [...ranges];
  for (const { cidr } of subnets) {
    const clash = seen.find((range) => overlapping(range, cidr));
    if (clash) {
      const owner = [...context.state.networks.values()].find(
        (network) => network.tenant === context.tenant && network.subnets.some((subnet) => subnet.cidr === clash),
      );
      throw new WeftError(
        'subnet-overlap',
        `${cidr} overlaps ${clash} of ${owner ? networkName(context.state, owner) : context.object}`,
        {
          object: context.object,
        },
      );
    }
    seen.push(cidr);
  }
}

function overlapping(a: string, b: string): boolean {
  const [first, second] = [parseCidr(a), parseCidr(b)];
  return first !== undefined && second !== undefined && overlaps(first, second);
}

function freeSubnet(deps: ControlDeps, ranges: string[], avoid: Cidr[], object: string): Subnet {
  const used = [...ranges.flatMap((range) => parseCidr(range) ?? []), ...avoid];
  const cidr = chooseSubnet(4, deps.settings.id, used);
  if (!cidr) throw new WeftError('no-free-subnet', `no default subnet is free for ${object}`, { object });
  return { cidr: formatCidr(cidr), gateway: defaultGateway(cidr), reserved: [] };
}

/** Starts at a place of its own each time, so that two hosts seldom try the same one. */
export function freeVni(deps: Pick<ControlDeps, 'settings' | 'view'>): number {
  const { vniFirst, vniLast } = deps.settings;
  const count = vniLast - vniFirst + 1;
  const start = Number(hash64(newId()) % BigInt(count));
  for (let i = 0; i < count; i++) {
    const vni = vniFirst + ((start + i) % count);
    if (!deps.view.entry(keys.vni(vni))) return vni;
  }
  throw new WeftError('no-free-vni', `all VNIs from ${vniFirst} to ${vniLast} are taken`);
}

/** What fits through the underlay of every node. */
export function largestMtu(settings: ClusterSettings, state: ClusterState): number {
  const underlays = [...state.nodes.values()].map((node) => node.underlayMtu);
  if (underlays.length === 0) throw invalid('mtu', 'no node has registered yet', 'weft node ls');
  return Math.min(...underlays) - overlayOverhead(settings.vtepFamily);
}
