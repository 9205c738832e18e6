/**
 * Giving and taking addresses. Until a node owns blocks of its own, an address costs one compare-and-swap of its record;
 * which one is chosen is the allocator's matter (model/ipam), and the record's states are those of the design:
 * held -> bound -> held -> resting -> gone.
 */
import { formatAddress, parseAddress } from '../model/address/address.ts';
import type { Address } from '../model/address/address.ts';
import { contains, parseCidr } from '../model/address/cidr.ts';
import { WeftError } from '../model/errors.ts';
import { allocate, poolOf, withPrefix } from '../model/ipam/pool.ts';
import type { AllocationFailure, Pool } from '../model/ipam/pool.ts';
import { keys, prefixes } from '../model/keys.ts';
import type { AddressRecord, AddressState, Network } from '../model/objects.ts';
import type { Compare, Operation } from '../store/port.ts';
import type { ControlDeps } from './context.ts';
import { usersOf } from './network-usage.ts';
import { networkName } from './references.ts';

export interface Grant {
  /** with the subnet's prefix length */
  cidr: string;
  compare: Compare[];
  then: Operation[];
}

export interface GrantRequest {
  network: Network;
  pool: Pool;
  state: AddressState;
  endpoint: string | null;
  wanted?: string;
  range?: string;
  /** of the endpoint to come, where the engine tells it */
  name?: string;
}

/** Decides on one address; throws `pool-exhausted`, `address-taken` or `address-outside`. */
export function grantAddress(deps: ControlDeps, request: GrantRequest): Grant {
  const { network, pool } = request;
  const records = recordsOf(deps, network.id);
  const range = request.range ? parseCidr(request.range) : undefined;
  const asked = request.wanted ? parseAddress(request.wanted) : undefined;
  const wanted = asked ?? lastOf(deps, request, records.values());
  const allocation = allocate(
    pool,
    { seed: deps.node.id, ...(wanted ? { wanted } : {}), ...(range ? { range } : {}) },
    (value) => {
      const record = records.get(value);
      return record !== undefined && !mayTakeBack(deps, record, wanted !== undefined);
    },
  );
  if (!allocation.ok) throw refusal(deps, request, allocation);
  const address = formatAddress(allocation.address);
  const key = keys.address(network.id, address);
  return {
    cidr: withPrefix(pool, allocation.address),
    compare: [{ key, revision: deps.view.revisionOf(key) }],
    then: [{ put: key, value: addressRecord(deps, network.id, address, request) }],
  };
}

/** What an endpoint of the same name had last on this host, while it rests in the part of the pool that is asked for. */
function lastOf(deps: ControlDeps, request: GrantRequest, records: Iterable<AddressRecord>): Address | undefined {
  if (!request.name) return undefined;
  const within = request.range ? parseCidr(request.range) : request.pool.cidr;
  for (const record of records) {
    const mine = record.name === request.name && record.node === deps.node.id && record.state === 'resting';
    const address = mine ? parseAddress(record.address) : undefined;
    if (address && within && contains(within, address)) return address;
  }
  return undefined;
}

/** A resting address goes back at once to the host that released it, when that host asks for exactly it. */
function mayTakeBack(deps: ControlDeps, record: AddressRecord, byName: boolean): boolean {
  return byName && record.state === 'resting' && record.node === deps.node.id;
}

export function addressRecord(
  deps: ControlDeps,
  network: string,
  address: string,
  state: { state: AddressState; endpoint: string | null; name?: string | undefined },
): AddressRecord {
  return {
    network,
    address,
    state: state.state,
    endpoint: state.endpoint,
    node: deps.node.id,
    bootId: deps.node.bootId,
    since: deps.now().toISOString(),
    ...(state.name ? { name: state.name } : {}),
  };
}

/** Moves an address of this node on to another state; a record that is gone stays gone. */
export function moveAddress(
  deps: ControlDeps,
  network: string,
  address: string,
  next: { state: AddressState; endpoint: string | null },
): { compare: Compare[]; then: Operation[] } {
  const key = keys.address(network, address);
  const revision = deps.view.revisionOf(key);
  if (revision === 0) return { compare: [], then: [] };
  const name = deps.view.value<AddressRecord>(key)?.name;
  return {
    compare: [{ key, revision }],
    then: [{ put: key, value: addressRecord(deps, network, address, { ...next, name }) }],
  };
}

/** The pool of the network's subnet that holds the address. */
export function poolFor(network: Network, address: string): Pool | undefined {
  const parsed = parseAddress(address);
  return parsed && network.subnets.map(poolOf).find((pool) => contains(pool.cidr, parsed));
}

function recordsOf(deps: ControlDeps, network: string): Map<bigint, AddressRecord> {
  const records = new Map<bigint, AddressRecord>();
  for (const record of deps.view.list<AddressRecord>(prefixes.addressesOf(network))) {
    const address = parseAddress(record.address);
    // Families cannot collide: IPv6 networks below 2^32 are forbidden ranges.
    if (address) records.set(address.value, record);
  }
  return records;
}

function refusal(deps: ControlDeps, request: GrantRequest, failure: AllocationFailure): WeftError {
  const { state } = deps.view.current();
  const object = networkName(state, request.network);
  const cidr = withPrefix(request.pool, { family: request.pool.cidr.family, value: request.pool.cidr.first });
  switch (failure.reason) {
    case 'exhausted':
      return new WeftError(
        'pool-exhausted',
        request.range
          ? `${object}: all addresses of the range ${request.range} are taken`
          : `${object}: all ${failure.capacity.toString()} addresses of ${cidr} are taken: ${usersOf(state, request.network)}`,
        {
          object,
          next: `weft network extend ${object} --subnet CIDR`,
        },
      );
    case 'taken':
      return taken(deps, request, object);
    case 'outside':
    case 'reserved':
      return new WeftError(
        'address-outside',
        `${request.wanted ?? ''} is ${failure.reason === 'reserved' ? 'reserved in' : 'no address for endpoints of'} ${cidr} of ${object}`,
        { object, next: `weft network inspect ${object}` },
      );
  }
}

function taken(deps: ControlDeps, request: GrantRequest, object: string): WeftError {
  const { state } = deps.view.current();
  const address = request.wanted ?? '';
  const record = deps.view.value<AddressRecord>(keys.address(request.network.id, address));
  const endpoint = record?.endpoint ? state.endpoints.get(record.endpoint) : undefined;
  const node = record && (state.nodes.get(record.node)?.name ?? record.node);
  const holder = endpoint ? `endpoint "${endpoint.name}"` : (record?.state ?? 'nobody');
  return new WeftError('address-taken', `${address} of ${object} is taken: ${holder} on ${node ?? 'another host'}`, {
    object,
    ...(node ? { host: node } : {}),
  });
}
