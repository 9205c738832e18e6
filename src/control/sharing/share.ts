/**
 * Declaring an address as one that moves. No endpoint is ever given it: this host comes to own it as it does any address
 * (control/addresses.ts), holds it while the network's record is changed to keep it back, and lets go. Whoever owns that part of
 * the pool later read the record before.
 */
import { bareAddress, contains } from '../../model/address/cidr.ts';
import { WeftError } from '../../model/errors.ts';
import { keys } from '../../model/keys.ts';
import type { AddressRecord, Network, SharedAddress, Subnet } from '../../model/objects.ts';
import { candidatesOf, holderOf } from '../../model/shared.ts';
import { invalid } from '../../model/validate.ts';
import { addressTaken, decideRest, grantAddress } from '../addresses.ts';
import { commit } from '../commit.ts';
import type { Decision } from '../commit.ts';
import type { ControlDeps } from '../context.ts';
import type { CallContext } from '../port.ts';
import { assertStays } from '../references.ts';
import type { SharedAddressRequest, SharedAddressView } from './port.ts';
import { endpointsOf, placeOf, sharedView } from './records.ts';
import type { Place } from './records.ts';

/** so that the entries and elements of a network stay few */
const MOST_ENDPOINTS = 16;
const MOST_ADDRESSES = 256;

/** An address that this host holds for the time in between. */
interface Held {
  /** its id */
  network: string;
  address: string;
}

/** Throws `address-taken`, `address-outside`, `network-leaving`, `endpoint-not-found`, `invalid-argument`. */
export async function shareAddress(
  deps: ControlDeps,
  request: SharedAddressRequest,
  context?: CallContext,
): Promise<SharedAddressView> {
  if (request.endpoints.length === 0) throw invalid('endpoints', 'name those that may hold the address');
  const held = (await commit(deps, () => decideHold(deps, request), context)).result;
  try {
    const { result } = await commit(deps, () => decideShare(deps, request, held), context);
    if (held) await letGo(deps, () => decideDrop(deps, held));
    return sharedView(deps.view.current().state, result);
  } catch (error) {
    if (held) await letGo(deps, () => decideRest(deps, held));
    throw error;
  }
}

/** Undefined where the network keeps the address back already. */
function decideHold(deps: ControlDeps, request: SharedAddressRequest): Decision<Held | undefined> {
  const { state } = deps.view.current();
  const place = placeOf(state, request.network, request.address);
  assertStays(state, place.network);
  endpointsOf(state, place, request.endpoints);
  const { network, pool, address } = place;
  if (isKeptBack(place)) return { compare: [], then: [], result: undefined };
  const { then } = grantAddress(deps, { network, pools: [pool], state: 'held', endpoint: null, wanted: address });
  return { compare: [], then, result: { network: network.id, address } };
}

function decideShare(
  deps: ControlDeps,
  request: SharedAddressRequest,
  held: Held | undefined,
): Decision<SharedAddress> {
  const { state } = deps.view.current();
  const place = placeOf(state, request.network, request.address);
  assertStays(state, place.network);
  const { network, address, object } = place;
  const key = keys.shared(network.id, address);
  const before = state.shared.get(key);
  const reserve = !isKeptBack(place);
  if (reserve && held === undefined) {
    throw new WeftError('changed-meanwhile', `${address} of ${object} is not kept back any more`, { object });
  }
  if (!before) assertFree(deps, place, held);
  const now = deps.now().toISOString();
  const named = endpointsOf(state, place, request.endpoints).map(({ id }) => id);
  const known = before ? candidatesOf(state, before).map(({ id }) => id) : [];
  const endpoints = [...new Set([...known, ...named])];
  if (endpoints.length > MOST_ENDPOINTS) throw invalid('endpoints', `more than ${MOST_ENDPOINTS}`);
  const keeps = before && holderOf(state, before);
  const shared: SharedAddress = {
    ...(before ?? { network: network.id, address, reserved: reserve, createdAt: now }),
    endpoints,
    ...(keeps ? holdingOf(before) : { holder: named[0] ?? null, by: 'command', since: now }),
  };
  const networkKey = keys.network(network.id);
  return {
    compare: [
      { key, revision: deps.view.revisionOf(key) },
      { key: networkKey, revision: deps.view.revisionOf(networkKey) },
    ],
    then: [{ put: key, value: shared }, ...(reserve ? [{ put: networkKey, value: keepBack(network, place) }] : [])],
    result: shared,
  };
}

function holdingOf({ holder, by, since }: SharedAddress): Pick<SharedAddress, 'holder' | 'by' | 'since'> {
  return { holder, by, since };
}

/** What was reserved while an endpoint had it stays that endpoint's. */
function assertFree(deps: ControlDeps, place: Place, held: Held | undefined): void {
  const { state } = deps.view.current();
  const { network, address, object } = place;
  const others = [...state.shared.values()].filter((one) => one.network === network.id).length;
  if (others >= MOST_ADDRESSES) throw invalid('address', `${object} has ${MOST_ADDRESSES} shared addresses, the most`);
  const record = deps.view.value<AddressRecord>(keys.address(network.id, address));
  const given = held === undefined && record !== undefined && record.state !== 'resting';
  const used = [...state.endpoints.values()].some(
    (endpoint) => endpoint.network === network.id && endpoint.addresses.some((cidr) => bareAddress(cidr) === address),
  );
  if (used || given) throw addressTaken(deps, { network, wanted: address }, '');
}

/** No endpoint is given it: it is reserved, or lies beyond what endpoints are given. */
function isKeptBack({ pool, value }: Place): boolean {
  return value.value > pool.high || pool.reserved.some((range) => contains(range, value));
}

function keepBack(network: Network, { subnet, address }: Place): Network {
  const subnets = network.subnets.map((one) =>
    one.cidr === subnet.cidr ? { ...one, reserved: [...one.reserved, address] } : one,
  );
  return { ...network, subnets };
}

/** No endpoint is given it any more, so that nobody needs to wait for it. */
function decideDrop(deps: ControlDeps, { network, address }: Held): Decision<undefined> {
  const key = keys.address(network, address);
  const then = deps.ownership.records.has(key) ? [{ delete: key }] : [];
  return { compare: [], then, result: undefined, release: true };
}

/** A hold that is left behind ends by itself. */
async function letGo(deps: ControlDeps, decide: () => Decision<undefined>): Promise<void> {
  try {
    await commit(deps, decide);
  } catch (error) {
    deps.log.debug({ err: error }, 'an address that was held to be shared is left to its time');
  }
}

/** A network that does not keep the address back for its own sake any more. */
export function unreserve(network: Network, address: string): Network {
  const without = ({ reserved, ...subnet }: Subnet) => ({
    ...subnet,
    reserved: reserved.filter((one) => one !== address),
  });
  return { ...network, subnets: network.subnets.map(without) };
}
