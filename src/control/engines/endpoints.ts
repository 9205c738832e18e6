/** An engine's endpoints: created from addresses it holds, joined to a sandbox, deleted back to held addresses. */
import { parseInterfaceAddress, formatCidr } from '../../model/address/cidr.ts';
import { formatAddress } from '../../model/address/address.ts';
import { canonicalMac } from '../../model/address/mac.ts';
import { WeftError } from '../../model/errors.ts';
import { keys, prefixes } from '../../model/keys.ts';
import { linkNames, newId } from '../../model/names.ts';
import type { AddressRecord, Endpoint, Network } from '../../model/objects.ts';
import { invalid } from '../../model/validate.ts';
import { addressRecord } from '../addresses.ts';
import type { Grant } from '../addresses.ts';
import { claimForEndpoint } from '../claims.ts';
import { commit } from '../commit.ts';
import type { ControlDeps } from '../context.ts';
import { decideEndpoint, plumbed, removeEndpoint } from '../endpoints.ts';
import type { EngineEndpointRequest } from './port.ts';
import type { CallContext } from '../port.ts';
import { networkName } from '../references.ts';
import { findBinding } from './bindings.ts';

export interface EndpointKey {
  engineId: string;
  endpointId: string;
}

/** In turn for one endpoint: a repeated call must find what the first made, not its claim. */
export function createEndpoint(
  deps: ControlDeps,
  request: EngineEndpointRequest,
  context?: CallContext,
): Promise<Endpoint> {
  return deps.turns.take(`endpoint/${request.endpointId}`, () => createOne(deps, request, context));
}

async function createOne(
  deps: ControlDeps,
  request: EngineEndpointRequest,
  context: CallContext | undefined,
): Promise<Endpoint> {
  const made = findEngineEndpoint(deps, request);
  if (made) return made;
  const mac = request.mac === '' ? undefined : canonicalMac(request.mac);
  if (request.mac !== '' && !mac) throw invalid('MacAddress', `"${request.mac}" is not a unicast MAC address`);
  const id = newId();
  const claim = await claimForEndpoint(deps, () => boundNetwork(deps, request.engineId), {
    endpoint: id,
    mac,
    context,
  });
  const decide = () => {
    const network = boundNetwork(deps, request.engineId);
    const grants = request.addresses.map((cidr) => claimHold(deps, network, cidr, id));
    if (grants.length === 0) throw invalid('Interface', 'no address is given', 'use --ipam-driver weft');
    return decideEndpoint(deps, network, grants, {
      id,
      name: `${request.engine}-${request.endpointId.slice(0, 12)}`,
      engine: {
        type: request.engine,
        networkId: request.engineId,
        endpointId: request.endpointId,
        container: request.container,
      },
      attachment: { mode: 'engine', sandbox: null },
      labels: request.labels,
      ...(mac ? { mac } : {}),
    });
  };
  try {
    const { result } = await commit(deps, decide, context);
    await deps.at?.('endpoint.recorded');
    return result;
  } catch (error) {
    await claim.release();
    throw error;
  }
}

/** An address becomes an endpoint's only while it is held for this host; it is never taken again on the way. */
function claimHold(deps: ControlDeps, network: Network, cidr: string, endpoint: string): Grant {
  const parsed = parseInterfaceAddress(cidr);
  if (!parsed) throw invalid('Interface.Address', `"${cidr}" is not ADDRESS/LENGTH`);
  const address = formatAddress(parsed.address);
  const object = networkName(deps.view.current().state, network);
  if (!network.subnets.some((subnet) => subnet.cidr === formatCidr(parsed.cidr))) {
    throw new WeftError('address-outside', `${cidr} is in no subnet of ${object}`, { object });
  }
  const key = keys.address(network.id, address);
  const record = deps.ownership.records.get<AddressRecord>(key);
  if (record?.state !== 'held') {
    throw new WeftError('hold-lost', `${address} of ${object} is no longer held for this endpoint`, { object });
  }
  const bound = { state: 'bound', endpoint, name: record.name } as const;
  return {
    cidr,
    then: [{ put: key, value: { ...record, ...addressRecord(deps, network.id, address, bound) } }],
  };
}

/** Returns when the interface stands in the host's namespace, for the engine to take. */
export async function joinEndpoint(
  deps: ControlDeps,
  request: EndpointKey & { sandbox: string },
  context: CallContext = {},
): Promise<{ endpoint: Endpoint; network: Network; interfaceName: string }> {
  const decide = () => {
    const network = boundNetwork(deps, request.engineId);
    const endpoint = knownEndpoint(deps, request);
    const key = keys.endpoint(endpoint.network, endpoint.id);
    const joined: Endpoint = {
      ...endpoint,
      attachment: { ...endpoint.attachment, mode: 'engine', sandbox: request.sandbox },
    };
    const same = endpoint.attachment.mode === 'engine' && endpoint.attachment.sandbox === request.sandbox;
    return {
      compare: [],
      then: same ? [] : [{ put: key, value: joined }],
      result: { endpoint: joined, network, interfaceName: linkNames.container(endpoint.id) },
    };
  };
  const joined = await commit(deps, decide, context);
  await deps.at?.('join.recorded');
  await plumbed(deps, { ...joined, result: joined.result.endpoint }, context);
  await deps.at?.('join.plumbed');
  return joined.result;
}

export async function deleteEndpoint(
  deps: ControlDeps,
  request: EndpointKey,
  context: CallContext = {},
): Promise<void> {
  const { result } = await commit(
    deps,
    () => ({ compare: [], then: [], result: findEngineEndpoint(deps, request) }),
    context,
  );
  if (result) await removeEndpoint(deps, result, 'held', context);
}

/** Throws `endpoint-not-found`. */
export function knownEndpoint(deps: ControlDeps, request: EndpointKey): Endpoint {
  const endpoint = findEngineEndpoint(deps, request);
  if (endpoint) return endpoint;
  const network = boundNetwork(deps, request.engineId);
  throw new WeftError('endpoint-not-found', `no endpoint ${request.endpointId.slice(0, 12)} on this host`, {
    object: `${networkName(deps.view.current().state, network)}/${request.endpointId.slice(0, 12)}`,
    next: 'start the container again',
  });
}

export function findEngineEndpoint(deps: ControlDeps, request: EndpointKey): Endpoint | undefined {
  for (const endpoint of ownEndpoints(deps)) {
    const { networkId, endpointId } = endpoint.engine;
    if (networkId === request.engineId && endpointId === request.endpointId) return endpoint;
  }
  return undefined;
}

/** Of this node, as its journal has them. */
export function* ownEndpoints({ ownership }: Pick<ControlDeps, 'ownership'>): Iterable<Endpoint> {
  for (const [, value] of ownership.records.entries(prefixes.endpoints)) yield value as Endpoint;
}

function boundNetwork(deps: ControlDeps, engineId: string): Network {
  const binding = findBinding(deps, engineId);
  const network = binding && deps.view.current().state.networks.get(binding.network);
  if (network) return network;
  throw new WeftError('network-not-found', `no weft network is bound to ${engineId.slice(0, 12)} on this host`, {
    object: engineId.slice(0, 12),
    next: 'remove the network from the engine and create it again',
  });
}
