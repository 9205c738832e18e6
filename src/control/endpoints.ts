import { canonicalAddress } from '../model/address/address.ts';
import { macFor } from '../model/address/mac.ts';
import { WeftError, toWeftError } from '../model/errors.ts';
import { poolOf } from '../model/ipam/pool.ts';
import type { Pool } from '../model/ipam/pool.ts';
import { keys } from '../model/keys.ts';
import { HANDLER_DEADLINE } from '../model/limits.ts';
import { newId } from '../model/names.ts';
import type { Endpoint, Network } from '../model/objects.ts';
import { checkName, invalid } from '../model/validate.ts';
import type { Compare, Operation } from '../store/port.ts';
import { grantAddress, moveAddress, poolFor } from './addresses.ts';
import type { Grant, GrantRequest } from './addresses.ts';
import { commit } from './commit.ts';
import type { Decision } from './commit.ts';
import type { ControlDeps } from './context.ts';
import type { AttachRequest, CallContext } from './port.ts';
import { assertStays, endpointName, findEndpoint, findNetwork, networkName } from './references.ts';

/** The interface name that an attach by hand gives the first network of a container. */
const FIRST_INTERFACE = 'eth';

/** Makes an endpoint in a namespace file of this host; returns when packets flow, or leaves nothing behind. */
export async function attach(deps: ControlDeps, request: AttachRequest, context: CallContext = {}): Promise<Endpoint> {
  if (!request.netns.startsWith('/')) throw invalid('netns', `"${request.netns}" is not an absolute path`);
  if (request.name) checkName('name', request.name);
  const wanted = (request.addresses ?? []).map((text, i) => {
    const address = canonicalAddress(text);
    if (!address) throw invalid(`addresses[${i}]`, `"${text}" is not an IP address`);
    return address;
  });
  const { result: endpoint, revision } = await deps.turns.take(request.network, () =>
    commit(deps, () => decideAttach(deps, request, wanted), context),
  );
  await deps.at?.('attach.recorded');
  try {
    await plumbed(deps, endpoint, revision, context);
  } catch (error) {
    await letGo(deps, endpoint, {}).catch((fault: unknown) =>
      deps.log.error({ err: fault, endpoint: endpoint.id }, 'a failed attach could not be undone'),
    );
    throw error;
  }
  await deps.at?.('attach.plumbed');
  return endpoint;
}

function decideAttach(deps: ControlDeps, request: AttachRequest, wanted: string[]): Decision<Endpoint> {
  const { state } = deps.view.current();
  const network = findNetwork(state, request.network);
  const id = newId();
  const grants = grantAll(deps, network, wanted, id);
  const name = request.name ?? `manual-${id.slice(-12).toLowerCase()}`;
  return decideEndpoint(deps, network, grants, {
    id,
    name,
    engine: { type: 'manual', networkId: '', endpointId: '', container: null },
    attachment: { mode: 'sandbox', path: request.netns, ifname: freeInterface(deps, request.netns) },
    labels: request.labels ?? {},
  });
}

type EndpointParts = Pick<Endpoint, 'id' | 'name' | 'engine' | 'attachment' | 'labels'> & { mac?: string };

/** The transaction that makes an endpoint of addresses already granted in it. */
export function decideEndpoint(
  deps: ControlDeps,
  network: Network,
  grants: Grant[],
  parts: EndpointParts,
): Decision<Endpoint> {
  const { state } = deps.view.current();
  assertStays(state, network);
  const nameKey = keys.endpointName(network.id, parts.name);
  const networkKey = keys.network(network.id);
  if (deps.view.entry(nameKey)) {
    throw new WeftError('name-taken', `${networkName(state, network)} has an endpoint "${parts.name}" already`, {
      object: `${networkName(state, network)}/${parts.name}`,
    });
  }
  const addresses = grants.map((grant) => grant.cidr);
  const derived = macFor(network.vni, (addresses[0] ?? '').split('/')[0] ?? '');
  const mac = parts.mac ?? derived;
  const asked = macClaim(deps, network, parts.mac, parts.id);
  const endpoint: Endpoint = {
    id: parts.id,
    name: parts.name,
    tenant: network.tenant,
    network: network.id,
    node: deps.node.id,
    bootId: deps.node.bootId,
    addresses,
    mac,
    mtu: network.mtu,
    engine: parts.engine,
    attachment: parts.attachment,
    labels: parts.labels,
    createdAt: deps.now().toISOString(),
  };
  return {
    compare: [
      { key: networkKey, revision: deps.view.revisionOf(networkKey) },
      { key: nameKey, revision: 0 },
      ...asked.compare,
      ...grants.flatMap((grant) => grant.compare),
    ],
    then: [
      { put: keys.endpoint(network.id, endpoint.id), value: endpoint },
      { put: nameKey, value: endpoint.id },
      ...asked.then,
      ...grants.flatMap((grant) => grant.then),
    ],
    result: endpoint,
  };
}

function macClaim(
  deps: ControlDeps,
  network: Network,
  mac: string | undefined,
  id: string,
): { compare: Compare[]; then: Operation[] } {
  if (!mac) return { compare: [], then: [] };
  const { state } = deps.view.current();
  const holder = [...state.endpoints.values()].find((other) => other.network === network.id && other.mac === mac);
  if (holder) {
    throw new WeftError('mac-taken', `${mac} belongs to endpoint "${holder.name}" of ${networkName(state, network)}`, {
      object: networkName(state, network),
    });
  }
  const key = keys.mac(network.id, mac);
  return { compare: [{ key, revision: 0 }], then: [{ put: key, value: id }] };
}

/** One address of each family the network has; those asked for by name first. */
function grantAll(deps: ControlDeps, network: Network, wanted: string[], endpoint: string): Grant[] {
  const grants: Grant[] = [];
  for (const family of [4, 6] as const) {
    const pools = network.subnets.map(poolOf).filter((pool) => pool.cidr.family === family);
    const mine = wanted.filter((address) => address.includes(':') === (family === 6));
    if (mine.length > 1) throw invalid('addresses', `${mine.join(' and ')}: an endpoint has one IPv${family} address`);
    const first = mine[0];
    const pool = first === undefined ? pools : [poolFor(network, first)].filter((found) => found !== undefined);
    if (first !== undefined && pool.length === 0) throw outside(deps, network, first);
    if (pool.length === 0) continue;
    const wish = { network, state: 'bound' as const, endpoint };
    grants.push(grantFirst(deps, pool, { ...wish, ...(first === undefined ? {} : { wanted: first }) }));
  }
  return grants;
}

/** From the first pool with room. */
export function grantFirst(deps: ControlDeps, pools: Pool[], wish: Omit<GrantRequest, 'pool'>): Grant {
  let refusal: unknown;
  for (const pool of pools) {
    try {
      return grantAddress(deps, { ...wish, pool });
    } catch (error) {
      if (toWeftError(error).code !== 'pool-exhausted') throw error;
      refusal ??= error;
    }
  }
  throw refusal;
}

function outside(deps: ControlDeps, network: Network, address: string): WeftError {
  const object = networkName(deps.view.current().state, network);
  const subnets = network.subnets.map((subnet) => subnet.cidr).join(', ');
  return new WeftError('address-outside', `${address} is in no subnet of ${object} (${subnets})`, { object });
}

/** eth0, or the first name that no other endpoint of ours in the same namespace file has. */
function freeInterface(deps: ControlDeps, path: string): string {
  const { state } = deps.view.current();
  const used = new Set<string>();
  for (const { node, attachment } of state.endpoints.values()) {
    if (node === deps.node.id && attachment.mode === 'sandbox' && attachment.path === path) used.add(attachment.ifname);
  }
  for (let i = 0; ; i++) if (!used.has(`${FIRST_INTERFACE}${i}`)) return `${FIRST_INTERFACE}${i}`;
}

/** Waits until this host's kernel has the endpoint. */
export async function plumbed(
  deps: ControlDeps,
  endpoint: Endpoint,
  revision: number,
  context: CallContext,
): Promise<void> {
  deps.reconciler.wake({ kind: 'tenant', tenant: endpoint.tenant, reason: `attach ${endpoint.id}` });
  await deps.reconciler.waitUntil(
    { revision, tenant: endpoint.tenant, endpoint: endpoint.id },
    { deadline: HANDLER_DEADLINE, ...(context.signal ? { signal: context.signal } : {}) },
  );
}

export async function detach(deps: ControlDeps, ref: string, context: CallContext = {}): Promise<void> {
  const endpoint = (await commit(deps, () => unwritten(findEndpoint(deps.view.current().state, ref)), context)).result;
  if (endpoint.node !== deps.node.id) {
    const { state } = deps.view.current();
    const node = state.nodes.get(endpoint.node)?.name ?? endpoint.node;
    throw new WeftError('not-supported', `${endpointName(state, endpoint)} is on ${node}; only ${node} can detach it`, {
      object: endpointName(state, endpoint),
      host: node,
      next: `on ${node}: weft endpoint detach ${ref}`,
    });
  }
  if (endpoint.engine.type !== 'manual') {
    throw new WeftError('not-supported', `endpoint "${endpoint.name}" belongs to ${endpoint.engine.type}`, {
      object: endpoint.name,
      next: `docker network disconnect ${endpoint.engine.networkId.slice(0, 12)} CONTAINER`,
    });
  }
  await letGo(deps, endpoint, context);
}

/** Returns when this host's kernel has let go, or soon after: whoever detaches by hand looks at once. */
async function letGo(deps: ControlDeps, endpoint: Endpoint, context: CallContext): Promise<void> {
  const revision = await removeEndpoint(deps, endpoint, 'resting', context);
  try {
    await deps.reconciler.waitUntil({ revision, tenant: endpoint.tenant }, { deadline: HANDLER_DEADLINE });
  } catch (error) {
    // The record is gone and the loop goes on: a detach never fails for what the kernel still has to let go.
    deps.log.warn({ err: error, endpoint: endpoint.id }, 'detached; the kernel has not let go yet');
  }
  await deps.at?.('detach.applied');
}

function unwritten<T>(result: T): Decision<T> {
  return { compare: [], then: [], result };
}

/**
 * Idempotent. The addresses go on to `next`; the kernel lets go a moment later, in one round for all that went by then: an
 * engine that starts deletes what it finds stale one by one. Gives the revision at which the record is gone.
 */
export async function removeEndpoint(
  deps: ControlDeps,
  endpoint: Endpoint,
  next: 'held' | 'resting',
  context: CallContext,
): Promise<number> {
  const key = keys.endpoint(endpoint.network, endpoint.id);
  const decide = () => {
    const revision = deps.view.revisionOf(key);
    if (revision === 0) return unwritten(undefined);
    const moved = endpoint.addresses.map((cidr) =>
      moveAddress(deps, endpoint.network, cidr.split('/')[0] ?? '', { state: next, endpoint: null }),
    );
    return {
      compare: [{ key, revision }, ...moved.flatMap((part) => part.compare)],
      then: [
        { delete: key },
        { delete: keys.endpointName(endpoint.network, endpoint.name) },
        { delete: keys.mac(endpoint.network, endpoint.mac) },
        { delete: keys.description(endpoint.id) },
        ...moved.flatMap((part) => part.then),
      ],
      result: undefined,
    };
  };
  const { revision } = await commit(deps, decide, context);
  await deps.at?.('detach.recorded');
  deps.reconciler.wake({ kind: 'tenant', tenant: endpoint.tenant, reason: `detach ${endpoint.id}` });
  return revision;
}
