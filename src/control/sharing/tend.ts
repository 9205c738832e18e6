/** A shared address that was given up is free once it has rested: until then somebody may take others for its last holder. */
import { keys } from '../../model/keys.ts';
import { RESTING_TIME } from '../../model/limits.ts';
import { commit } from '../commit.ts';
import type { Decision } from '../commit.ts';
import type { ControlDeps } from '../context.ts';
import type { CallContext } from '../port.ts';
import { unreserve } from './share.ts';

/** Any node does it. `age`: milliseconds since the record was first seen so. */
export async function tendShared(deps: ControlDeps, age: (key: string) => number, context: CallContext): Promise<void> {
  for (const [key, { endpoints }] of deps.view.current().state.shared) {
    if (endpoints.length > 0 || age(key) < RESTING_TIME) continue;
    if ((await commit(deps, () => decideEnd(deps, key), context)).result) {
      deps.log.info({ key }, 'a shared address that was given up is free');
    }
  }
}

function decideEnd(deps: ControlDeps, key: string): Decision<boolean> {
  const { state } = deps.view.current();
  const shared = state.shared.get(key);
  if (!shared || shared.endpoints.length > 0) return { compare: [], then: [], result: false };
  const networkKey = keys.network(shared.network);
  const network = state.networks.get(shared.network);
  const frees = network && shared.reserved ? [{ put: networkKey, value: unreserve(network, shared.address) }] : [];
  return {
    compare: [
      { key, revision: deps.view.revisionOf(key) },
      { key: networkKey, revision: deps.view.revisionOf(networkKey) },
    ],
    then: [{ delete: key }, ...frees],
    result: true,
  };
}
