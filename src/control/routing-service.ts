import type { ClusterState } from '../model/cluster.ts';
import type { ControlDeps } from './context.ts';
import { egressView, setEgress } from './egress.ts';
import { resolveFilter } from './lists.ts';
import { createRouter, deleteRouter, findRouter, listRouters, routerView } from './routers.ts';
import type { RoutingControl } from './routing-port.ts';

/** `fresh`: the picture of the cluster, as new as can be had. */
export function routingControl(deps: ControlDeps, fresh: () => Promise<ClusterState>): RoutingControl {
  return {
    getEgress: async (tenant) => egressView(await fresh(), tenant),
    setEgress: (request, context) => setEgress(deps, request, context),
    createRouter: (request, context) => createRouter(deps, request, context),
    listRouters: async (filter) => {
      const state = await fresh();
      return listRouters(state, resolveFilter(state, filter));
    },
    getRouter: async (ref) => {
      const state = await fresh();
      return routerView(state, findRouter(state, ref));
    },
    deleteRouter: (ref, context) => deleteRouter(deps, ref, context),
  };
}
