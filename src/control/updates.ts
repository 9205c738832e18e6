/** Changes of what may change in an object that stands: labels, and the addresses a network keeps back. */
import type { ClusterState } from '../model/cluster.ts';
import { WeftError } from '../model/errors.ts';
import { parseAddress } from '../model/address/address.ts';
import { contains, parseCidr, parseRange } from '../model/address/cidr.ts';
import { keys } from '../model/keys.ts';
import type { Endpoint, Network, Subnet } from '../model/objects.ts';
import { checkLabels, checkRangeIn, invalid } from '../model/validate.ts';
import { commit } from './commit.ts';
import type { ControlDeps } from './context.ts';
import type { CallContext, EndpointUpdate, NetworkUpdate } from './port.ts';
import { assertStays, endpointName, findEndpoint, findNetwork, networkName } from './references.ts';

/** Addresses in use stay so when their range is reserved; they are not given again once they are free. */
export async function updateNetwork(
  deps: ControlDeps,
  request: NetworkUpdate,
  context?: CallContext,
): Promise<Network> {
  const decide = () => {
    const { state } = deps.view.current();
    const network = findNetwork(state, request.ref);
    assertStays(state, network);
    const key = keys.network(network.id);
    assertRevision(deps, { key, asked: request.revision, object: networkName(state, network) });
    assertNotShared(state, network, request.unreserve);
    const next: Network = {
      ...network,
      labels: merged(network.labels ?? {}, request.labels),
      subnets: reserved(network.subnets, request),
    };
    return {
      compare: [{ key, revision: deps.view.revisionOf(key) }],
      then: [{ put: key, value: next }],
      result: next,
    };
  };
  return (await commit(deps, decide, context)).result;
}

/** On the endpoint's own node: only it writes what it holds. */
export async function updateEndpoint(
  deps: ControlDeps,
  request: EndpointUpdate,
  context?: CallContext,
): Promise<Endpoint> {
  const decide = () => {
    const { state } = deps.view.current();
    const endpoint = findEndpoint(state, request.ref);
    const key = keys.endpoint(endpoint.network, endpoint.id);
    assertHere(deps, state, endpoint);
    // Of an etcd put back from a backup: written, it would live again, with an address that may be another's.
    if (!deps.ownership.records.has(key)) throw deps.ownership.standing.refusal();
    assertRevision(deps, { key, asked: request.revision, object: endpointName(state, endpoint) });
    const next: Endpoint = { ...endpoint, labels: merged(endpoint.labels, request.labels) };
    return {
      compare: [{ key, revision: deps.view.revisionOf(key) }],
      then: [{ put: key, value: next }],
      result: next,
    };
  };
  return (await commit(deps, decide, context)).result;
}

function assertHere(deps: ControlDeps, state: ClusterState, endpoint: Endpoint): void {
  if (endpoint.node === deps.node.id) return;
  const host = state.nodes.get(endpoint.node)?.name ?? endpoint.node;
  const object = endpointName(state, endpoint);
  throw new WeftError('not-supported', `${object} is on ${host}; only ${host} can change it`, {
    object,
    host,
    next: `on ${host}: weft endpoint label ${object} ...`,
  });
}

/** `asked` 0 stands for whatever it is. */
export function assertRevision(
  deps: ControlDeps,
  { key, asked, object }: { key: string; asked: number; object: string },
): void {
  const now = deps.view.revisionOf(key);
  if (asked === 0 || (asked === now && !deps.ownership.records.isPending(key))) return;
  throw new WeftError('changed-meanwhile', `${object} is at revision ${now}, not at ${asked}`, { object });
}

function merged(labels: Record<string, string>, changes: Record<string, string>): Record<string, string> {
  const next = { ...labels, ...changes };
  return checkLabels('labels', Object.fromEntries(Object.entries(next).filter(([, value]) => value !== '')));
}

function reserved(subnets: Subnet[], { reserve, unreserve }: { reserve: string[]; unreserve: string[] }): Subnet[] {
  let next = subnets;
  for (const [i, text] of reserve.entries()) {
    const { at, range } = placeOf(next, text, `reserve[${i}]`);
    next = next.map((subnet, n) =>
      n === at ? { ...subnet, reserved: [...new Set([...subnet.reserved, range])] } : subnet,
    );
  }
  for (const [i, text] of unreserve.entries()) {
    const { at, range } = placeOf(next, text, `unreserve[${i}]`);
    if (!next[at]?.reserved.includes(range)) throw invalid(`unreserve[${i}]`, `${text} is not reserved as such`);
    next = next.map((subnet, n) =>
      n === at ? { ...subnet, reserved: subnet.reserved.filter((one) => one !== range) } : subnet,
    );
  }
  return next;
}

/** What is kept back for several endpoints goes to none. */
function assertNotShared(state: ClusterState, { id }: Network, ranges: readonly string[]): void {
  for (const { network, address } of state.shared.values()) {
    const parsed = parseAddress(address);
    if (network !== id || !parsed) continue;
    const at = ranges.findIndex((text) => {
      const range = parseRange(text);
      return range && contains(range, parsed);
    });
    if (at >= 0) throw invalid(`unreserve[${at}]`, `${address} is shared`, 'weft address ls');
  }
}

/** The subnet that contains the range, and the range as canonical text. */
function placeOf(subnets: Subnet[], text: string, path: string): { at: number; range: string } {
  const parsed = parseRange(text);
  const at = subnets.findIndex(({ cidr }) => {
    const outer = parseCidr(cidr);
    return parsed && outer && contains(outer, { family: parsed.family, value: parsed.first });
  });
  const cidr = parseCidr(subnets[at]?.cidr ?? '');
  if (!cidr)
    throw invalid(path, `${text} is in no subnet of the network (${subnets.map((one) => one.cidr).join(', ')})`);
  return { at, range: checkRangeIn(path, text, cidr) };
}
