/** The other nodes of the cluster, by the addresses they told and the certificates that name them. */
import { experimental } from '@grpc/grpc-js';
import type { Api } from './api/definition.ts';
import { PeerClient } from './api/peer-client.ts';
import type { ClusterView } from './control/cluster-view.ts';
import { keys } from './model/keys.ts';
import type { Node } from './model/objects.ts';
import type { IdentityKeeper } from './trust/keeper.ts';
import { checkNodeIdentity } from './trust/peer.ts';

export function peerClient(view: ClusterView, keeper: IdentityKeeper, api: Api): PeerClient {
  return new PeerClient({
    api,
    addressOf: (node) => view.value<Node>(keys.node(node))?.api,
    credentials: (node) =>
      experimental.createCertificateProviderChannelCredentials(keeper, keeper, {
        checkServerIdentity: checkNodeIdentity(node),
      }),
  });
}
