import type { ClusterState } from '../../model/cluster.ts';
import type { ControlDeps } from '../context.ts';
import { resolveFilter } from '../lists.ts';
import type { LocalStatus } from '../views.ts';
import { explainPort } from './explain.ts';
import type { PortsControl } from './port.ts';
import { listPorts } from './views.ts';

/** `fresh`: the picture of the cluster, as new as can be had. */
export function portsControl(deps: ControlDeps, fresh: () => Promise<ClusterState>, local: LocalStatus): PortsControl {
  return {
    listPorts: async (filter) => {
      const state = await fresh();
      return listPorts(state, resolveFilter(state, filter), local);
    },
    explainPort: async (request) => {
      const here = { node: deps.node.id, conditions: deps.reconciler.conditions() };
      return { ports: explainPort(await fresh(), request, here) };
    },
  };
}
