/** From a name, an id or a unique prefix of an id to the object, in the node's picture of the cluster. */
import { closest, distance } from 'fastest-levenshtein';
import { WeftError } from '../model/errors.ts';
import type { ErrorCode } from '../model/errors.ts';
import type { ClusterState } from '../model/cluster.ts';
import type { Endpoint, Network, Tenant } from '../model/objects.ts';

/** Shorter prefixes of ids are too easily a name mistyped. */
const SHORTEST_PREFIX = 6;

export function findTenant(state: ClusterState, ref: string): Tenant {
  const found = byNameOrId([...state.tenants.values()], ref);
  return found ?? missing('tenant-not-found', 'tenant', ref, state);
}

/** TENANT/NETWORK or an id. */
export function findNetwork(state: ClusterState, ref: string): Network {
  return lookupNetwork(state, ref) ?? missing('network-not-found', 'network', ref, state);
}

export function lookupNetwork(state: ClusterState, ref: string): Network | undefined {
  const [tenantRef = '', name, ...rest] = ref.split('/');
  if (name === undefined) return byNameOrId([...state.networks.values()], ref, { names: false });
  if (rest.length > 0) return undefined;
  const tenant = byNameOrId([...state.tenants.values()], tenantRef);
  return tenant && byNameOrId(ofTenant(state, tenant), name);
}

/** TENANT/NETWORK/ENDPOINT or an id. */
export function findEndpoint(state: ClusterState, ref: string): Endpoint {
  const parts = ref.split('/');
  const all = [...state.endpoints.values()];
  if (parts.length === 1) {
    return byNameOrId(all, ref, { names: false }) ?? missing('endpoint-not-found', 'endpoint', ref, state);
  }
  const network = lookupNetwork(state, parts.slice(0, 2).join('/'));
  const mine = network ? all.filter((endpoint) => endpoint.network === network.id) : [];
  const found = parts.length === 3 ? byNameOrId(mine, parts[2] ?? '') : undefined;
  return found ?? missing('endpoint-not-found', 'endpoint', ref, state);
}

/** Throws `network-leaving`: what is being deleted takes nothing new. */
export function assertStays(state: ClusterState, network: Network): void {
  if (!network.leaving) return;
  const object = networkName(state, network);
  throw new WeftError('network-leaving', `${object} is being deleted`, {
    object,
    next: `wait until it is gone, or choose another network: weft network ls`,
  });
}

export function networkName(state: ClusterState, network: Network): string {
  return `${state.tenants.get(network.tenant)?.name ?? network.tenant}/${network.name}`;
}

export function endpointName(state: ClusterState, endpoint: Endpoint): string {
  const network = state.networks.get(endpoint.network);
  return `${network ? networkName(state, network) : endpoint.network}/${endpoint.name}`;
}

function ofTenant(state: ClusterState, tenant: Tenant): Network[] {
  return [...state.networks.values()].filter((network) => network.tenant === tenant.id);
}

function byNameOrId<T extends { id: string; name: string }>(
  objects: T[],
  ref: string,
  options: { names: boolean } = { names: true },
): T | undefined {
  const named = options.names ? objects.find((object) => object.name === ref) : undefined;
  if (named) return named;
  const id = ref.toUpperCase();
  if (id.length < SHORTEST_PREFIX) return undefined;
  const fitting = objects.filter((object) => object.id.startsWith(id));
  if (fitting.length > 1) {
    throw new WeftError('ambiguous-reference', `"${ref}" begins the ids of ${fitting.length} objects`, { object: ref });
  }
  return fitting[0];
}

type Kind = 'tenant' | 'network' | 'endpoint';

/** More than this many wrong letters are another name. */
const SLIPS = 3;

/** The name of an object that was probably meant. */
function meant(kind: Kind, ref: string, state: ClusterState): string | undefined {
  const names = {
    tenant: () => [...state.tenants.values()].map(({ name }) => name),
    network: () => [...state.networks.values()].map((network) => networkName(state, network)),
    endpoint: () => [...state.endpoints.values()].map((endpoint) => endpointName(state, endpoint)),
  }[kind]();
  const near = names.length > 0 ? closest(ref, names) : undefined;
  return near !== undefined && distance(ref, near) <= Math.min(SLIPS, ref.length / 3) ? near : undefined;
}

function missing(code: ErrorCode, kind: Kind, ref: string, state: ClusterState): never {
  const tenant = ref.split('/')[0] ?? '';
  const known = byNameOrId([...state.tenants.values()], tenant);
  const why = kind !== 'tenant' && ref.includes('/') && !known ? `: there is no tenant "${tenant}"` : '';
  const next = kind === 'tenant' || why ? 'weft tenant ls' : `weft ${kind} ls -t ${tenant}`;
  const near = meant(kind, ref, state);
  throw new WeftError(code, `no ${kind} "${ref}"${why}${near === undefined ? '' : `; did you mean "${near}"?`}`, {
    object: ref,
    next: kind === 'tenant' || ref.includes('/') ? next : `weft ${kind} ls -A`,
  });
}
