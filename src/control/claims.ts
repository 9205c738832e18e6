/**
 * Names and MACs of endpoints that a user asked for. They are unique in the whole network, so the store decides, before the
 * endpoint is made; those that weft makes up are unique by their making and need no record. Who dies in between leaves a claim
 * without an endpoint, which its node sweeps.
 */
import { WeftError } from '../model/errors.ts';
import { HOLD_TIME } from '../model/limits.ts';
import { keys, prefixes } from '../model/keys.ts';
import type { Endpoint, Network } from '../model/objects.ts';
import type { Compare, Operation } from '../store/port.ts';
import { commit } from './commit.ts';
import type { Decision } from './commit.ts';
import type { ControlDeps } from './context.ts';
import type { CallContext } from './port.ts';
import { assertStays, networkName } from './references.ts';

export interface ClaimRecord {
  endpoint: string;
  node: string;
}

export interface Claim {
  /** Gives back what was claimed; never rejects, since it is swept otherwise. */
  release(): Promise<void>;
}

interface Wish {
  endpoint: string;
  name?: string | undefined;
  mac?: string | undefined;
  context?: CallContext | undefined;
}

const NOTHING: Claim = { release: () => Promise.resolve() };

/** Throws `name-taken` or `mac-taken`. Costs nothing where neither is asked for. */
export async function claimForEndpoint(deps: ControlDeps, find: () => Network, wish: Wish): Promise<Claim> {
  const { name, mac } = wish;
  if (name === undefined && mac === undefined) return NOTHING;
  const record: ClaimRecord = { endpoint: wish.endpoint, node: deps.node.id };
  const decide = (): Decision<string[]> => {
    const network = find();
    assertStays(deps.view.current().state, network);
    if (name !== undefined) assertNameFree(deps, network, name);
    if (mac !== undefined) assertMacFree(deps, network, mac);
    const claimed = [
      ...(name === undefined ? [] : [keys.endpointName(network.id, name)]),
      ...(mac === undefined ? [] : [keys.mac(network.id, mac)]),
    ];
    const networkKey = keys.network(network.id);
    return {
      compare: [
        { key: networkKey, revision: deps.view.revisionOf(networkKey) },
        ...claimed.map((key): Compare => ({ key, revision: 0 })),
      ],
      then: claimed.map((key): Operation => ({ put: key, value: record })),
      result: claimed,
    };
  };
  const { result: claimed } = await commit(deps, decide, wish.context);
  return { release: () => release(deps, claimed, wish.endpoint) };
}

/** Those of an endpoint that is gone. Never rejects. */
export function releaseClaims(deps: ControlDeps, endpoint: Endpoint): Promise<void> {
  return release(
    deps,
    [keys.endpointName(endpoint.network, endpoint.name), keys.mac(endpoint.network, endpoint.mac)],
    endpoint.id,
  );
}

/** Claims of this node without an endpoint, for longer than any attach takes. `age`: milliseconds since it was first seen so. */
export function staleClaims(deps: ControlDeps, age: (key: string) => number): string[] {
  const { endpoints } = deps.view.current().state;
  return [prefixes.endpointNames, prefixes.macs].flatMap((prefix) =>
    deps.view.keys(prefix).filter((key) => {
      const claim = deps.view.value<ClaimRecord>(key);
      return claim?.node === deps.node.id && !endpoints.has(claim.endpoint) && age(key) >= HOLD_TIME;
    }),
  );
}

async function release(deps: ControlDeps, claimed: string[], endpoint: string): Promise<void> {
  const decide = (): Decision<undefined> => {
    const mine = claimed.filter((key) => deps.view.value<ClaimRecord>(key)?.endpoint === endpoint);
    return {
      compare: mine.map((key) => ({ key, revision: deps.view.revisionOf(key) })),
      then: mine.map((key) => ({ delete: key })),
      result: undefined,
    };
  };
  try {
    await commit(deps, decide);
  } catch (error) {
    deps.log.debug({ err: error, endpoint }, 'claims of an endpoint are left to be swept');
  }
}

function assertNameFree(deps: ControlDeps, network: Network, name: string): void {
  const { state } = deps.view.current();
  const known = [...state.endpoints.values()].some((other) => other.network === network.id && other.name === name);
  if (!known && !deps.view.entry(keys.endpointName(network.id, name))) return;
  const object = networkName(state, network);
  throw new WeftError('name-taken', `${object} has an endpoint "${name}" already`, { object: `${object}/${name}` });
}

function assertMacFree(deps: ControlDeps, network: Network, mac: string): void {
  const { state } = deps.view.current();
  const object = networkName(state, network);
  const holder = [...state.endpoints.values()].find((other) => other.network === network.id && other.mac === mac);
  if (!holder && !deps.view.entry(keys.mac(network.id, mac))) return;
  throw new WeftError(
    'mac-taken',
    `${mac} belongs to ${holder ? `endpoint "${holder.name}"` : 'another'} of ${object}`,
    {
      object,
    },
  );
}
