/**
 * Giving and taking addresses of this node's own space. Which one is chosen is the allocator's matter (model/ipam), how space
 * comes to this node that of ownership/; the record's states are held -> bound -> held -> resting -> gone.
 */
import { formatAddress, parseAddress } from '../model/address/address.ts';
import type { Address } from '../model/address/address.ts';
import { contains, formatCidr, parseCidr } from '../model/address/cidr.ts';
import { WeftError } from '../model/errors.ts';
import { chooseAddress } from '../model/ipam/choose-address.ts';
import type { Choice } from '../model/ipam/choose-address.ts';
import { poolOf, withPrefix } from '../model/ipam/pool.ts';
import type { Pool } from '../model/ipam/pool.ts';
import { keys, prefixes } from '../model/keys.ts';
import type { AddressRecord, AddressState, Network } from '../model/objects.ts';
import type { Compare, Operation } from '../store/port.ts';
import type { Decision } from './commit.ts';
import type { ControlDeps } from './context.ts';
import { usersOf } from './network-usage.ts';
import { isOwn } from './ownership/keys.ts';
import { SpaceNeeded } from './ownership/need.ts';
import type { Need } from './ownership/need.ts';
import type { Ownership } from './ownership/ownership.ts';
import { networkName } from './references.ts';

export interface Grant {
  /** with the subnet's prefix length */
  cidr: string;
  then: Operation[];
}

export interface GrantRequest {
  network: Network;
  /** in the order in which they are tried; with `wanted`, the one that holds it */
  pools: Pool[];
  state: AddressState;
  endpoint: string | null;
  wanted?: string;
  range?: string;
  /** of the endpoint to come, where the engine tells it */
  name?: string;
}

/** Decides on one address; throws `SpaceNeeded`, or `address-taken` or `address-outside` for one that was asked for. */
export function grantAddress(deps: ControlDeps, request: GrantRequest): Grant {
  const { network } = request;
  for (const pool of request.pools) {
    const choice = choose(deps.ownership, { ...request, pool });
    if (!choice.ok) {
      if (choice.reason === 'exhausted-here' || choice.reason === 'not-owned') continue;
      throw refusal(deps, request, pool, choice);
    }
    const address = formatAddress(choice.address);
    deps.ownership.index.of(network.id, pool).last = choice.address.value;
    aheadOfNeed(deps, network, pool);
    return {
      cidr: withPrefix(pool, choice.address),
      then: [{ put: keys.address(network.id, address), value: addressRecord(deps, network.id, address, request) }],
    };
  }
  throw new SpaceNeeded(needOf(request));
}

/** From what this node owns now. Pure over its journal. */
function choose(
  ownership: Ownership,
  { network, pool, wanted, range, name }: Omit<Need, 'pools'> & { pool: Pool; name?: string },
): Choice {
  const { table, last } = ownership.index.of(network.id, pool);
  const space = ownership.index.space(network.id, pool);
  const asked = wanted === undefined ? undefined : parseAddress(wanted);
  const request = {
    ...(asked && { wanted: asked }),
    ...(range && { range: parseCidr(range) }),
    ...(name && { former: name }),
    ...(last !== undefined && { after: last }),
    // Whoever asks on this host for exactly what rests here is taken for its last owner: engines rarely tell more.
    restOver: () => asked !== undefined,
  };
  // What rested here may be another's by now when this disk is a copy or an old one: nothing is given before the proof.
  if (!ownership.standing.mayGive()) {
    const before = ownership.isCutOff() ? comingBack(ownership, { network, pool, wanted, range }) : undefined;
    if (before) return { ok: true, address: before, way: 'rested' };
    return { ok: false, reason: 'exhausted-here', capacity: 0n, resting: 0n };
  }
  return chooseAddress(space, table, request);
}

/**
 * What was bound as this boot began and was given up in it: containers that an engine starts again after a power cut have it
 * back, though the store is away. The one that was given up first; who wants any address must not get the one that another
 * container has by its configuration, and is about to ask for.
 */
function comingBack(
  ownership: Ownership,
  {
    network,
    pool,
    wanted,
    range,
  }: { network: Network; pool: Pool; wanted: string | undefined; range: string | undefined },
): Address | undefined {
  const { records, standing, node } = ownership;
  if (!standing.mayReattach()) return undefined;
  const within = range === undefined ? pool.cidr : (parseCidr(range) ?? pool.cidr);
  let first: AddressRecord | undefined;
  for (const [, value] of records.entries(prefixes.addressesOf(network.id))) {
    const record = value as AddressRecord;
    if (record.state !== 'resting' || record.bootId !== node.bootId) continue;
    const address = parseAddress(record.address);
    if (!address || !contains(within, address)) continue;
    if (wanted === undefined ? record.wanted : wanted !== record.address) continue;
    if (!first || record.since < first.since) first = record;
  }
  return first && parseAddress(first.address);
}

/** The need can be met from what this node owns now. */
export function fits(ownership: Ownership, need: Need): boolean {
  return need.pools.some((pool) => choose(ownership, { ...need, pool }).ok);
}

function needOf({ network, pools, wanted, range }: GrantRequest): Need {
  return { network, pools, ...(wanted && { wanted }), ...(range && { range }) };
}

function aheadOfNeed(deps: ControlDeps, network: Network, pool: Pool): void {
  if (deps.ownership.isShort(network.id, pool)) deps.ownership.space.prefetch({ network, pools: [pool] });
}

export function addressRecord(
  deps: ControlDeps,
  network: string,
  address: string,
  state: { state: AddressState; endpoint: string | null; name?: string | undefined; wanted?: string | undefined },
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
    ...(state.wanted ? { wanted: true } : {}),
  };
}

/** Moves an address of this node on to another state; a record that is gone stays gone, whatever a store from a backup says. */
export function moveAddress(
  deps: ControlDeps,
  network: string,
  address: string,
  next: { state: AddressState; endpoint: string | null },
): { compare: Compare[]; then: Operation[] } {
  const key = keys.address(network, address);
  const entry = deps.view.entry(key);
  if (!entry || (isOwn(key) && !deps.ownership.records.has(key))) return { compare: [], then: [] };
  const before = entry.value as AddressRecord;
  return {
    compare: [{ key, revision: entry.revision }],
    then: [
      { put: key, value: { ...before, ...addressRecord(deps, network, address, { ...next, name: before.name }) } },
    ],
  };
}

/** Of an address that is still held, for nobody in the end: somebody may have had it until then, so that it rests as any other. */
export function decideRest(
  deps: ControlDeps,
  { network, address }: { network: string; address: string },
): Decision<undefined> {
  const record = deps.ownership.records.get<AddressRecord>(keys.address(network, address));
  const next = { state: 'resting', endpoint: null } as const;
  const { then } = record?.state === 'held' ? moveAddress(deps, network, address, next) : { then: [] };
  return { compare: [], then, result: undefined, release: true };
}

/** The pool of the network's subnet that holds the address. */
export function poolFor(network: Network, address: string): Pool | undefined {
  const parsed = parseAddress(address);
  return parsed && network.subnets.map(poolOf).find((pool) => contains(pool.cidr, parsed));
}

/** Why the address asked for is not given. */
function refusal(deps: ControlDeps, request: GrantRequest, pool: Pool, failure: Choice & { ok: false }): WeftError {
  if (failure.reason === 'taken' || failure.reason === 'resting') return addressTaken(deps, request, '');
  const object = networkName(deps.view.current().state, request.network);
  const what = failure.reason === 'reserved' ? 'reserved in' : 'no address for endpoints of';
  return new WeftError('address-outside', `${request.wanted ?? ''} is ${what} ${formatCidr(pool.cidr)} of ${object}`, {
    object,
    next: `weft network inspect ${object}`,
  });
}

/** `owner`: the node whose space it lies in, where no record says more. */
export function addressTaken(
  deps: ControlDeps,
  { network, wanted = '' }: Omit<Need, 'pools'>,
  owner: string,
): WeftError {
  const { state } = deps.view.current();
  const object = networkName(state, network);
  const record = deps.view.value<AddressRecord>(keys.address(network.id, wanted));
  const endpoint = record?.endpoint ? state.endpoints.get(record.endpoint) : undefined;
  const id = record?.node ?? owner;
  const node = state.nodes.get(id)?.name ?? (id || undefined);
  const holder = endpoint ? `endpoint "${endpoint.name}"` : (record?.state ?? 'its space');
  return new WeftError('address-taken', `${wanted} of ${object} is taken: ${holder} on ${node ?? 'another host'}`, {
    object,
    ...(node ? { host: node } : {}),
  });
}

/** The whole pool is in use, or owned by nodes that cannot be asked. */
export function poolExhausted(deps: ControlDeps, { network, pools, range }: Need): WeftError {
  const { state } = deps.view.current();
  const object = networkName(state, network);
  const cidrs = pools.map((pool) => formatCidr(pool.cidr)).join(', ');
  const where = range ? `the range ${range}` : cidrs;
  return new WeftError('pool-exhausted', `${object}: no address of ${where} is free: ${usersOf(state, network)}`, {
    object,
    next: `weft network extend ${object} --subnet CIDR`,
  });
}
