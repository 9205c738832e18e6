import type { ClusterState } from '../../model/cluster.ts';
import type { ControlDeps } from '../context.ts';
import { resolveFilter } from '../lists.ts';
import type { ListFilter } from '../port.ts';
import { moveShared, unshareAddress } from './holder.ts';
import type { SharedAddressView, SharingControl } from './port.ts';
import { sharedView } from './records.ts';
import { shareAddress } from './share.ts';

/** `fresh`: the picture of the cluster, as new as can be had. */
export function sharingControl(deps: ControlDeps, fresh: () => Promise<ClusterState>): SharingControl {
  return {
    shareAddress: (request, context) => shareAddress(deps, request, context),
    unshareAddress: (request, context) => unshareAddress(deps, request, context),
    moveAddress: (request, context) => moveShared(deps, request, context),
    listSharedAddresses: async (filter) => {
      const state = await fresh();
      return listShared(state, resolveFilter(state, filter));
    },
  };
}

/** By tenant, network and address. */
function listShared(state: ClusterState, { tenant, network }: ListFilter): SharedAddressView[] {
  const place = (view: SharedAddressView) => [view.tenant, view.network, view.address].join(' ');
  return [...state.shared.values()]
    .map((shared) => sharedView(state, shared))
    .filter((view) => (!tenant || view.tenant === tenant) && (!network || view.network === network))
    .sort((a, b) => (place(a) < place(b) ? -1 : 1));
}
