import { canonicalAddress } from '../model/address/address.ts';
import { bareAddress } from '../model/address/cidr.ts';
import { macFor } from '../model/address/mac.ts';
import { WeftError } from '../model/errors.ts';
import { poolOf } from '../model/ipam/pool.ts';
import { keys } from '../model/keys.ts';
import { HANDLER_DEADLINE } from '../model/limits.ts';
import { newId } from '../model/names.ts';
import type { Endpoint, Network, Publication } from '../model/objects.ts';
import { familiesOf } from '../model/ports/places.ts';
import { checkWishes, parsePublish } from '../model/ports/wish.ts';
import type { PortWish } from '../model/ports/wish.ts';
import { checkName, invalid } from '../model/validate.ts';
import { grantAddress, moveAddress, poolFor } from './addresses.ts';
import type { Grant } from './addresses.ts';
import { claimForEndpoint, releaseClaims } from './claims.ts';
import type { Claim } from './claims.ts';
import { commit } from './commit.ts';
import type { Committed, Decision } from './commit.ts';
import type { ControlDeps } from './context.ts';
import { assertLeadsOut } from './ports/publish.ts';
import { recordPorts } from './ports/choose.ts';
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
  const wishes = (request.publish ?? []).map((text, i) => parsePublish(`publish[${i}]`, text));
  const ports = checkWishes('publish', wishes, deps.settings.overlayPort);
  const id = newId();
  const claim = await claimForEndpoint(deps, () => findNetwork(deps.view.current().state, request.network), {
    endpoint: id,
    name: request.name,
    context,
  });
  try {
    const { made, settle } = await withPorts(deps, request, { id, ports, context }, (publications) =>
      commit(deps, () => decideAttach(deps, request, { id, wanted, publications }), context),
    );
    try {
      await deps.at?.('attach.recorded');
      await plumbed(deps, made, context);
      await deps.at?.('attach.plumbed');
      return made.result;
    } finally {
      settle();
    }
  } catch (error) {
    await undoAttach(deps, id, claim);
    throw error;
  }
}

async function withPorts<T>(
  deps: ControlDeps,
  request: AttachRequest,
  { id, ports, context }: { id: string; ports: PortWish[]; context: CallContext },
  record: (publications: Publication[]) => Promise<T>,
): Promise<{ made: T; settle: () => void }> {
  if (ports.length === 0) return { made: await record([]), settle: () => undefined };
  const decide = () => {
    const network = findNetwork(deps.view.current().state, request.network);
    assertLeadsOut(deps, network);
    return unwritten(network);
  };
  const { result: network } = await commit(deps, decide, context);
  const families = familiesOf(network.subnets.map(({ cidr }) => cidr));
  return await recordPorts(deps, () => ({ wishes: ports, seeker: { id, families, had: [] } }), record);
}

async function undoAttach(deps: ControlDeps, id: string, claim: Claim): Promise<void> {
  const endpoint = deps.view.current().state.endpoints.get(id);
  try {
    if (endpoint) await letGo(deps, endpoint, {});
    else await claim.release();
  } catch (fault) {
    deps.log.error({ err: fault, endpoint: id }, 'a failed attach could not be undone');
  }
}

function decideAttach(
  deps: ControlDeps,
  request: AttachRequest,
  { id, wanted, publications }: { id: string; wanted: string[]; publications: Publication[] },
): Decision<Endpoint> {
  const { state } = deps.view.current();
  const network = findNetwork(state, request.network);
  const grants = grantAll(deps, network, wanted, id);
  const name = request.name ?? `manual-${id.slice(-12).toLowerCase()}`;
  return decideEndpoint(deps, network, grants, {
    id,
    name,
    engine: { type: 'manual', networkId: '', endpointId: '', container: null },
    attachment: { mode: 'sandbox', path: request.netns, ifname: freeInterface(deps, request.netns) },
    labels: request.labels ?? {},
    ...(publications.length > 0 ? { ports: publications } : {}),
  });
}

type EndpointParts = Pick<Endpoint, 'id' | 'name' | 'engine' | 'attachment' | 'labels' | 'ports'> & { mac?: string };

/** What makes an endpoint of addresses already granted in it. */
export function decideEndpoint(
  deps: ControlDeps,
  network: Network,
  grants: Grant[],
  parts: EndpointParts,
): Decision<Endpoint> {
  assertStays(deps.view.current().state, network);
  const addresses = grants.map((grant) => grant.cidr);
  const derived = macFor(network.vni, bareAddress(addresses[0] ?? ''));
  const endpoint: Endpoint = {
    id: parts.id,
    name: parts.name,
    tenant: network.tenant,
    network: network.id,
    node: deps.node.id,
    bootId: deps.node.bootId,
    addresses,
    mac: parts.mac ?? derived,
    mtu: network.mtu,
    engine: parts.engine,
    attachment: parts.attachment,
    labels: parts.labels,
    createdAt: deps.now().toISOString(),
    ...(parts.ports ? { ports: parts.ports } : {}),
  };
  return {
    compare: [],
    then: [{ put: keys.endpoint(network.id, endpoint.id), value: endpoint }, ...grants.flatMap((grant) => grant.then)],
    result: endpoint,
  };
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
    grants.push(
      grantAddress(deps, {
        network,
        pools: pool,
        state: 'bound',
        endpoint,
        ...(first === undefined ? {} : { wanted: first }),
      }),
    );
  }
  return grants;
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
  { result: endpoint, revision, sequence }: Committed<Endpoint>,
  context: CallContext,
): Promise<void> {
  deps.reconciler.wake({ kind: 'tenant', tenant: endpoint.tenant, reason: `attach ${endpoint.id}` });
  await deps.reconciler.waitUntil(
    { revision, sequence, tenant: endpoint.tenant, endpoint: endpoint.id },
    { deadline: context.patience ?? HANDLER_DEADLINE, ...(context.signal && { signal: context.signal }) },
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
  const at = await removeEndpoint(deps, endpoint, 'resting', context);
  try {
    await deps.reconciler.waitUntil({ ...at, tenant: endpoint.tenant }, { deadline: HANDLER_DEADLINE });
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
): Promise<{ revision: number; sequence: number }> {
  const key = keys.endpoint(endpoint.network, endpoint.id);
  const description = keys.description(endpoint.id);
  const decide = () => {
    // One that only the store has is over, and its addresses may be others': whoever recovers strikes it.
    if (!deps.ownership.records.has(key)) return unwritten(undefined);
    const moved = endpoint.addresses.map((cidr) =>
      moveAddress(deps, endpoint.network, bareAddress(cidr), { state: next, endpoint: null }),
    );
    return {
      compare: [],
      then: [
        { delete: key },
        ...(deps.ownership.records.has(description) ? [{ delete: description }] : []),
        ...moved.flatMap((part) => part.then),
      ],
      result: undefined,
      release: true,
    };
  };
  const { revision, sequence } = await commit(deps, decide, context);
  await deps.at?.('detach.recorded');
  deps.reconciler.wake({ kind: 'tenant', tenant: endpoint.tenant, reason: `detach ${endpoint.id}` });
  await releaseClaims(deps, endpoint);
  return { revision, sequence };
}
