/**
 * Why etcd does not answer this node: it refuses the certificates of forgotten nodes without a word (TLS has none that its
 * client would tell), so the weftd beside it is asked, and others.
 */
import { experimental } from '@grpc/grpc-js';
import { connect } from './api/client.ts';
import type { Api } from './api/definition.ts';
import { toWeftError } from './model/errors.ts';
import type { IdentityKeeper } from './trust/keeper.ts';
import { checkNodeIdentity } from './trust/peer.ts';

export interface StillMemberOptions {
  /** of etcd: a managed one has a weftd on the same host */
  endpoints: readonly string[];
  /** of the API there */
  port: number;
  /** "192.0.2.1:7781": other nodes that may know */
  peers?: string[];
  keeper: IdentityKeeper;
  api: Api;
  signal: AbortSignal;
}

const DEADLINE = 2_000;

/** Throws `node-forgotten` when a node of the cluster says so; what it cannot learn, it leaves open. */
export async function assertStillMember(options: StillMemberOptions): Promise<void> {
  const { endpoints, port, peers = [] } = options;
  const beside = endpoints.map((endpoint) => `${new URL(endpoint).hostname}:${port}`);
  // Each may know less than another: one that says no decides.
  await Promise.all([...new Set([...beside, ...peers])].map((address) => assertKnownTo(address, options)));
}

async function assertKnownTo(address: string, { keeper, api, signal }: StillMemberOptions): Promise<void> {
  const peer = { checkServerIdentity: checkNodeIdentity() };
  const credentials = experimental.createCertificateProviderChannelCredentials(keeper, keeper, peer);
  const client = connect({ api, remote: { address, credentials }, deadline: DEADLINE });
  try {
    await client.call('GetStatus', {}, { signal });
  } catch (error) {
    const failure = toWeftError(error);
    if (failure.code === 'node-forgotten') throw failure;
  } finally {
    client.close();
  }
}
