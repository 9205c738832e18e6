/** The use cases about who belongs to the cluster, bound together for the port. */
import type { ClusterState } from '../model/cluster.ts';
import type { ControlDeps } from './context.ts';
import { JoinGate, joinCluster, renewMembership } from './joining.ts';
import { forgetNode } from './membership.ts';
import type { Control } from './port.ts';
import { createToken, deleteToken, listTokens } from './tokens.ts';
import { nodeView } from './views.ts';

type MembershipControl = Pick<
  Control,
  'forgetNode' | 'rotateCertificates' | 'createToken' | 'listTokens' | 'deleteToken' | 'join' | 'renew'
>;

export function membershipControl(deps: ControlDeps, fresh: () => Promise<ClusterState>): MembershipControl {
  const gate = new JoinGate();
  return {
    forgetNode: async (request, context) => {
      const node = await forgetNode(deps, request, context);
      return nodeView(deps.view.current().state, node);
    },
    rotateCertificates: async (context) => {
      const { notAfter } = await deps.trust.rotate(context);
      return { notAfter: notAfter.toISOString() };
    },
    createToken: async (request, context) => {
      const { id, hash, text } = deps.trust.newToken();
      return { token: text, details: await createToken(deps, { ...request, id, hash }, context) };
    },
    listTokens: async () => {
      await fresh();
      return listTokens(deps);
    },
    deleteToken: (id, context) => deleteToken(deps, id, context),
    join: (request, context) => joinCluster(deps, gate, request, context),
    renew: (request, context) => renewMembership(deps, request, context),
  };
}
