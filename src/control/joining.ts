/** A host becomes a node: by a token once, and by its own certificate from then on. Only nodes that hold the CA do this. */
import { WeftError } from '../model/errors.ts';
import { keys } from '../model/keys.ts';
import { newId } from '../model/names.ts';
import { checkName } from '../model/validate.ts';
import type { ControlDeps, SigningRequests } from './context.ts';
import { assertRemembered, recordCertificates } from './membership.ts';
import type { CallContext, JoinRequest, Membership } from './port.ts';
import { redeemToken } from './tokens.ts';

/** Refused tries, of all hosts together: guessing a secret of 256 bits is hopeless, filling the log is not. */
const TRIES = 20;
const TRIES_REFILL = 1_000;

export class JoinGate {
  #left = TRIES;
  #at: number;
  readonly #clock: () => number;

  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
    this.#at = clock();
  }

  /** Throws while there were too many refusals lately: one more is allowed each second. */
  enter(): void {
    const refilled = Math.floor((this.#clock() - this.#at) / TRIES_REFILL);
    if (refilled > 0) {
      this.#left = Math.min(TRIES, this.#left + refilled);
      this.#at += refilled * TRIES_REFILL;
    }
    if (this.#left > 0) return;
    throw new WeftError('token-invalid', 'too many tokens were refused lately', { next: 'try again in a few seconds' });
  }

  refused(): void {
    this.#left = Math.max(0, this.#left - 1);
  }
}

export async function joinCluster(
  deps: ControlDeps,
  gate: JoinGate,
  request: JoinRequest,
  context: CallContext = {},
): Promise<Membership> {
  gate.enter();
  const certify = certifier(deps);
  checkName('name', request.name);
  if (deps.view.entry(keys.nodeName(request.name))) {
    throw new WeftError('name-taken', `another node is called "${request.name}"`, {
      object: request.name,
      next: 'give --name',
    });
  }
  const nodeId = newId();
  const node = { nodeId, name: request.name, addresses: context.peer ? [context.peer.address] : [] };
  const issued = await certify(node, { node: request.nodeCsr, client: request.clientCsr });
  try {
    const isSecretOf = (hash: string) => deps.trust.isSecretOf(hash, request.secret);
    await redeemToken(deps, { id: request.tokenId, isSecretOf }, context);
  } catch (error) {
    gate.refused();
    throw error;
  }
  await recordCertificates(deps, nodeId, [issued.node, issued.client], context);
  deps.log.info({ nodeId, name: request.name, token: request.tokenId, from: context.peer?.address }, 'a host joined');
  return membership(deps, nodeId, issued);
}

export async function renewMembership(
  deps: ControlDeps,
  request: { nodeCsr: string; clientCsr: string },
  context: CallContext = {},
): Promise<Membership> {
  const certify = certifier(deps);
  const nodeId = context.peer?.node;
  if (!nodeId) throw new WeftError('unauthenticated', 'a renewal is asked for without a certificate');
  assertRemembered(deps, nodeId);
  const node = deps.view.current().state.nodes.get(nodeId);
  if (!node) throw new WeftError('node-not-found', `node ${nodeId} has not registered`, { object: nodeId });
  const addresses = [node.vtep, ...(context.peer ? [context.peer.address] : [])];
  const asked = { node: request.nodeCsr, client: request.clientCsr };
  const issued = await certify({ nodeId, name: node.name, addresses: [...new Set(addresses)] }, asked);
  await recordCertificates(deps, nodeId, [issued.node, issued.client], context);
  return membership(deps, nodeId, issued);
}

function certifier(deps: ControlDeps): NonNullable<ControlDeps['trust']['certify']> {
  const { certify } = deps.trust;
  if (certify) return certify;
  const signing = [...deps.view.current().state.nodes.values()].filter((node) => node.signs);
  const where = signing.map(({ name, api }) => `${name} (${api ?? 'not listening'})`).join(', ');
  throw new WeftError('not-signing', `${deps.node.name} does not hold the CA${where ? `; ${where} does` : ''}`, {
    object: deps.node.name,
    ...(signing[0]?.api ? { next: `weft node join ${signing[0].api} --token TOKEN` } : {}),
  });
}

function membership(deps: ControlDeps, nodeId: string, issued: SigningRequests): Membership {
  const { state } = deps.view.current();
  return {
    nodeId,
    ca: deps.trust.ca,
    nodeCertificate: issued.node,
    clientCertificate: issued.client,
    storeEndpoints: state.nodes.get(deps.node.id)?.storeEndpoints ?? [],
  };
}
