/** Who this node is: its certificates at the first start, and what the use cases and the API ask about certificates. */
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import type { ControlDeps, TrustPort } from './control/context.ts';
import { assertRemembered } from './control/membership.ts';
import { WeftError } from './model/errors.ts';
import { newId } from './model/names.ts';
import type { Renewal } from './renewal.ts';
import { certifyNode, createAuthority, issueClientCertificate, issueNodeCertificate } from './trust/authority.ts';
import type { Authority } from './trust/authority.ts';
import { loadIdentity, saveIdentity } from './trust/identity.ts';
import type { Identity } from './trust/identity.ts';
import type { IdentityKeeper } from './trust/keeper.ts';
import { nodeOfPeer } from './trust/peer.ts';
import { formatToken, hashSecret, isSecretOf, makeToken } from './trust/token.ts';

/** The first node makes the cluster's CA; every other is given its certificates before its first start. */
export async function ensureIdentity({
  config,
  underlay,
  log,
}: {
  config: Config;
  underlay: { readonly current: { address: string } };
  log: Logger;
}): Promise<Identity> {
  const known = await loadIdentity(config.pki);
  if (known) return known;
  if (config.store.mode === 'external') {
    throw new WeftError('configuration-invalid', `${config.pki} holds no certificate for this node`, {
      object: config.pki,
      next: 'weft node join HOST:7781 --token TOKEN',
    });
  }
  const authority = await createAuthority(config.pki);
  const nodeId = newId();
  const node = { nodeId, name: config.node.name, addresses: [underlay.current.address, '127.0.0.1'] };
  const credentials = await issueNodeCertificate(authority, node);
  await saveIdentity(config.pki, credentials, await issueClientCertificate(authority, { nodeId }));
  log.info({ nodeId }, 'made the cluster’s CA and this node’s certificate');
  const made = await loadIdentity(config.pki);
  if (made) return made;
  throw new WeftError('internal', `the certificates written to ${config.pki} cannot be read back`);
}

/** Of a certificate that counts: the cluster's, valid now, and of a node that is not forgotten. */
export function identifyNode(deps: ControlDeps, keeper: IdentityKeeper, raw: Buffer | undefined): string {
  const node = nodeOfPeer(raw, keeper.current.ca, new Date());
  if (node === undefined) throw new WeftError('unauthenticated', 'no certificate of a node of this cluster was shown');
  assertRemembered(deps, node);
  return node;
}

export function trustPort(keeper: IdentityKeeper, authority: Authority | undefined, renewal: Renewal): TrustPort {
  return {
    ca: keeper.current.ca,
    newToken: () => {
      const token = makeToken(keeper.current.ca);
      return { id: token.id, hash: hashSecret(token.secret), text: formatToken(token) };
    },
    isSecretOf,
    certify: authority && ((node, csr) => certifyNode(authority, node, csr)),
    rotate: (context) => renewal.now(context),
    get notAfter() {
      return keeper.current.notAfter;
    },
  };
}
