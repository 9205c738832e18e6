/** Who holds a shared address: by command, or because the port guard heard one that may hold it announce it. */
import { WeftError } from '../../model/errors.ts';
import { keys } from '../../model/keys.ts';
import type { Endpoint, SharedAddress } from '../../model/objects.ts';
import { candidatesOf, holderOf } from '../../model/shared.ts';
import type { AddressClaim } from '../../plan/port-guard/claim.ts';
import { commit } from '../commit.ts';
import type { Decision } from '../commit.ts';
import type { ControlDeps } from '../context.ts';
import type { CallContext } from '../port.ts';
import { endpointName } from '../references.ts';
import type { SharedAddressRequest, SharedAddressView } from './port.ts';
import { endpointsOf, findShared, placeOf, sharedView } from './records.ts';

/** Throws `address-not-shared`, `endpoint-not-found`, and `invalid-argument` for one that may not hold it. */
export async function moveShared(
  deps: ControlDeps,
  request: { network: string; address: string; endpoint: string },
  context?: CallContext,
): Promise<SharedAddressView> {
  const decide = () => {
    const { state } = deps.view.current();
    const place = placeOf(state, request.network, request.address);
    const shared = findShared(state, place);
    const [endpoint] = endpointsOf(state, place, [request.endpoint]);
    if (endpoint && candidatesOf(state, shared).includes(endpoint))
      return decideMove(deps, shared, endpoint, 'command');
    const what = `${request.endpoint} is not one of those that may hold ${place.address} of ${place.object}`;
    throw new WeftError('invalid-argument', `endpoint: ${what}`, {
      object: place.object,
      next: `weft address share ${place.object} ${place.address} ${request.endpoint}`,
    });
  };
  const { result } = await commit(deps, decide, context);
  return sharedView(deps.view.current().state, result);
}

/** Takes some from those that may hold it, or, with none named, all: then the address rests and goes. */
export async function unshareAddress(
  deps: ControlDeps,
  request: SharedAddressRequest,
  context?: CallContext,
): Promise<void> {
  const decide = (): Decision<undefined> => {
    const { state } = deps.view.current();
    const place = placeOf(state, request.network, request.address);
    const shared = findShared(state, place);
    const gone = endpointsOf(state, place, request.endpoints).map(({ id }) => id);
    const foreign = gone.findIndex((id) => !shared.endpoints.includes(id));
    if (foreign >= 0) {
      const what = `${request.endpoints[foreign] ?? ''} is not one of those that may hold ${place.address}`;
      throw new WeftError('invalid-argument', `endpoints[${foreign}]: ${what}`, {
        object: place.object,
        next: `weft address ls ${place.object}`,
      });
    }
    const left = candidatesOf(state, shared).filter(({ id }) => gone.length > 0 && !gone.includes(id));
    const stays = left.some(({ id }) => id === shared.holder);
    const change = stays ? {} : { holder: null, by: 'command' as const, since: deps.now().toISOString() };
    return put(deps, { ...shared, endpoints: left.map(({ id }) => id), ...change }, undefined);
  };
  await commit(deps, decide, context);
}

/** Whoever announces an address that it may hold has it. True when it moved; false for what others took away meanwhile. */
export async function takeClaim(deps: ControlDeps, claim: AddressClaim, context?: CallContext): Promise<boolean> {
  const decide = (): Decision<boolean> => {
    const { shared, endpoint } = claimedBy(deps, claim) ?? {};
    if (!shared || !endpoint || holderOf(deps.view.current().state, shared) === endpoint) {
      return { compare: [], then: [], result: false };
    }
    return { ...decideMove(deps, shared, endpoint, 'announcement'), result: true };
  };
  const { result } = await commit(deps, decide, context);
  const endpoint = claimedBy(deps, claim)?.endpoint;
  if (result && endpoint) {
    const who = endpointName(deps.view.current().state, endpoint);
    deps.log.info({ address: claim.address, endpoint: who }, 'a shared address moved to who announced it');
  }
  return result;
}

/** Subnets of one tenant's networks do not overlap, so that the address alone tells the network. */
function claimedBy(
  deps: ControlDeps,
  { namespace, address, mac }: AddressClaim,
): { shared: SharedAddress; endpoint: Endpoint } | undefined {
  const { state } = deps.view.current();
  for (const shared of state.shared.values()) {
    if (shared.address !== address) continue;
    const tenant = state.networks.get(shared.network)?.tenant;
    if (state.tenants.get(tenant ?? '')?.name !== namespace) continue;
    const endpoint = candidatesOf(state, shared).find((one) => one.node === deps.node.id && one.mac === mac);
    if (endpoint) return { shared, endpoint };
  }
  return undefined;
}

function decideMove(
  deps: ControlDeps,
  shared: SharedAddress,
  endpoint: Endpoint,
  by: SharedAddress['by'],
): Decision<SharedAddress> {
  const next: SharedAddress = { ...shared, holder: endpoint.id, by, since: deps.now().toISOString() };
  return put(deps, next, next);
}

function put<T>(deps: ControlDeps, shared: SharedAddress, result: T): Decision<T> {
  const key = keys.shared(shared.network, shared.address);
  return { compare: [{ key, revision: deps.view.revisionOf(key) }], then: [{ put: key, value: shared }], result };
}
