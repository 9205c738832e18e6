/** What nodes ask of each other. The caller is who its certificate says, never who it claims to be. */
import { WeftError } from '../model/errors.ts';
import { keys, prefixes } from '../model/keys.ts';
import { HANDLER_DEADLINE } from '../model/limits.ts';
import type { Endpoint, Node } from '../model/objects.ts';
import type { ControlDeps } from './context.ts';
import type { CallContext, Control } from './port.ts';
import { runsStore } from './store-nodes.ts';

export function peerControl(deps: ControlDeps): Pick<Control, 'splitSpace' | 'hint' | 'pointToStore'> {
  return {
    splitSpace: async (request, context = {}) => {
      const asker = callerOf(context);
      const answer = await deps.ownership.giving.split(
        { ...request, asker },
        { deadline: HANDLER_DEADLINE, ...context },
      );
      return { answer };
    },
    hint: async (request, context = {}) => {
      const node = callerOf(context);
      const put = request.put.map(({ key, value }, i) => ({ key, value: endpointOf(node, value, `put[${i}]`) }));
      const gone = request.delete.filter((key) => deps.view.value<Endpoint>(key)?.node === node);
      const known = [...put.map(({ key }) => key), ...gone].filter((key) => key.startsWith(prefixes.endpoints));
      const hinted = new Set(known);
      deps.view.hint({
        node,
        bootId: request.bootId,
        sequence: request.sequence,
        put: put.filter(({ key, value }) => hinted.has(key) && key.endsWith(`/${value.network}/${value.id}`)),
        delete: gone.filter((key) => hinted.has(key)),
      });
      await Promise.resolve();
    },
    pointToStore: async ({ endpoints }, context = {}) => {
      const node = deps.view.value<Node>(keys.node(callerOf(context)));
      if (!node || !runsStore(node)) throw new WeftError('not-allowed', 'this call is for nodes that run etcd');
      deps.reachStoreAt?.(endpoints);
      await Promise.resolve();
    },
  };
}

function callerOf({ peer }: CallContext): string {
  if (peer?.node !== undefined) return peer.node;
  throw new WeftError('not-allowed', 'this call is for the nodes of the cluster', { next: 'weft --help' });
}

/** Of the caller's own. Values come from a node of the cluster, which could write the same to the store. */
function endpointOf(node: string, json: string, path: string): Endpoint {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    value = undefined;
  }
  const endpoint = value as Partial<Endpoint> | null | undefined;
  if (typeof endpoint === 'object' && endpoint?.node === node && typeof endpoint.id === 'string') {
    return endpoint as Endpoint;
  }
  throw new WeftError('invalid-argument', `${path}.value: not an endpoint of the caller`, { object: path });
}
