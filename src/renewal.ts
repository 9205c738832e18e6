/**
 * Keeps the node's certificates young: at two thirds of their life, when the host has another address, or when asked, they are
 * issued anew, by this node where it holds the CA, else by a node that does. What is new is on disk before it is used; connections that stand stay.
 */
import { X509Certificate } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { experimental } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import { connect } from './api/client.ts';
import type { Api } from './api/definition.ts';
import type { CallContext, Membership } from './control/port.ts';
import type { ClusterState } from './model/cluster.ts';
import { toWeftError, WeftError } from './model/errors.ts';
import { certifyNode, openAuthority } from './trust/authority.ts';
import type { Authority } from './trust/authority.ts';
import { makeRequest } from './trust/certificate.ts';
import { loadIdentity, saveIdentity } from './trust/identity.ts';
import type { IdentityKeeper } from './trust/keeper.ts';
import { checkNodeIdentity } from './trust/peer.ts';

export interface RenewalOptions {
  pki: string;
  keeper: IdentityKeeper;
  api: Api;
  name: string;
  /** of this host as they are now */
  addresses: () => string[];
  /** the node's picture of the cluster: where nodes are that can certify */
  state: () => ClusterState;
  /** certificates this node issued to itself go on record too */
  onIssued: (certificates: string[], context?: CallContext) => Promise<void>;
  /** what is not reached through the keeper makes its connections anew */
  onRenewed: () => void;
  log: Logger;
}

/** between looks and tries, in milliseconds: a clock that jumps must not make a renewal late by a timer's length */
const LOOK = 60_000;

export class Renewal {
  readonly #options: RenewalOptions;
  #running: Promise<{ notAfter: Date }> | undefined;
  #pause = new AbortController();

  constructor(options: RenewalOptions) {
    this.#options = options;
  }

  /** Until the signal. A renewal that fails is tried again each minute; a third of the certificate's life is left then. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { keeper, addresses } = this.#options;
      if (isDue(keeper.current, new Date()) || !namesAll(keeper.current, addresses())) {
        await this.now({ signal }).catch((error: unknown) => {
          const { code, message } = toWeftError(error);
          this.#options.log.warn({ code, reason: message }, 'the certificates of this node could not be renewed yet');
        });
      }
      this.#pause = new AbortController();
      const until = AbortSignal.any([signal, this.#pause.signal]);
      await delay(LOOK, undefined, { signal: until }).catch(() => undefined);
    }
  }

  /** The next look is now: this host may have other addresses. */
  look(): void {
    this.#pause.abort();
  }

  /** One at a time: who asks while one runs gets its outcome. */
  now(context: CallContext = {}): Promise<{ notAfter: Date }> {
    this.#running ??= this.#renew(context).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #renew(context: CallContext): Promise<{ notAfter: Date }> {
    const { pki, keeper, log, onRenewed } = this.#options;
    const { nodeId, ca } = keeper.current;
    const [node, client] = await Promise.all([makeRequest(nodeId), makeRequest(nodeId)]);
    const csr = { node: node.csr, client: client.csr };
    const authority = await openAuthority(pki);
    const issued = authority ? await this.#issue(authority, csr, context) : await this.#ask(csr, context);
    await saveIdentity(pki, { key: node.key, cert: issued.node, ca }, { key: client.key, cert: issued.client, ca });
    const identity = await loadIdentity(pki);
    if (!identity) throw new WeftError('internal', `the certificates written to ${pki} cannot be read back`);
    keeper.replace(identity);
    onRenewed();
    log.info({ notAfter: identity.notAfter.toISOString() }, 'renewed the certificates of this node');
    return { notAfter: identity.notAfter };
  }

  async #issue(authority: Authority, csr: { node: string; client: string }, context: CallContext) {
    const { keeper, name, addresses, onIssued } = this.#options;
    const issued = await certifyNode(authority, { nodeId: keeper.current.nodeId, name, addresses: addresses() }, csr);
    await onIssued([issued.node, issued.client], context);
    return issued;
  }

  async #ask(csr: { node: string; client: string }, { signal }: CallContext) {
    const { state, keeper, api } = this.#options;
    const signing = [...state().nodes.values()].filter((node) => node.signs && node.api);
    let failure = new WeftError('not-signing', 'no node that can certify others is known');
    for (const { id, name, api: address = '' } of signing) {
      const peer = { checkServerIdentity: checkNodeIdentity(id) };
      const credentials = experimental.createCertificateProviderChannelCredentials(keeper, keeper, peer);
      const remote = connect({ api, remote: { address, credentials } });
      try {
        const request = { nodeCsr: csr.node, clientCsr: csr.client };
        const answer: Membership = await remote.call('Renew', request, signal ? { signal } : {});
        return { node: answer.nodeCertificate, client: answer.clientCertificate };
      } catch (error) {
        failure = toWeftError(error);
        this.#options.log.debug({ err: error, node: name }, 'a node did not renew this one');
      } finally {
        remote.close();
      }
    }
    throw failure;
  }
}

/** Those who check a server's address find it in the certificate; nodes go by the id (trust/peer.ts). */
export function namesAll({ cert }: { cert: string }, addresses: readonly string[]): boolean {
  const certificate = new X509Certificate(cert);
  return addresses.every((address) => certificate.checkIP(address) !== undefined);
}

/** Two thirds of its life are over. */
export function isDue(identity: { notBefore: Date; notAfter: Date }, now: Date): boolean {
  const life = identity.notAfter.getTime() - identity.notBefore.getTime();
  return now.getTime() >= identity.notBefore.getTime() + (life * 2) / 3;
}
