/** A host becomes a node: by a token once, and by its own certificate from then on. Only nodes that hold the CA do this. */
import { toWeftError, WeftError } from '../model/errors.ts';
import { keys } from '../model/keys.ts';
import { newId } from '../model/names.ts';
import { checkName } from '../model/validate.ts';
import { commit } from './commit.ts';
import type { ControlDeps, SigningRequests } from './context.ts';
import { assertRemembered, certificateRecords, recordCertificates } from './membership.ts';
import type { CallContext, JoinRequest, Membership } from './port.ts';
import { findToken, takeUse } from './tokens.ts';
import type { PresentedToken } from './tokens.ts';

/** Refused tries of one address: guessing a secret of 256 bits is hopeless, filling a log and a processor is not. */
const TRIES = 20;
const TRIES_REFILL = 1_000;
const SOURCES = 1_024;

/** Counts refusals by address, so that whoever guesses shuts out nobody but himself; of so many addresses, no more. */
export class JoinGate {
  readonly #sources = new Map<string, { left: number; at: number }>();
  readonly #clock: () => number;

  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
  }

  /** Throws while there were too many refusals lately: one more is allowed each second. */
  enter(address: string): void {
    if (this.#refill(address).left > 0) return;
    throw new WeftError('token-invalid', 'too many tokens were refused lately', { next: 'try again in a few seconds' });
  }

  refused(address: string): void {
    const source = this.#refill(address);
    source.left = Math.max(0, source.left - 1);
    // the one that was refused last is remembered longest
    this.#sources.delete(address);
    this.#sources.set(address, source);
    const [oldest] = this.#sources.keys();
    if (this.#sources.size > SOURCES && oldest !== undefined) this.#sources.delete(oldest);
  }

  #refill(address: string): { left: number; at: number } {
    const source = this.#sources.get(address) ?? { left: TRIES, at: this.#clock() };
    const refilled = Math.floor((this.#clock() - source.at) / TRIES_REFILL);
    source.left = Math.min(TRIES, source.left + refilled);
    source.at += refilled * TRIES_REFILL;
    return source;
  }
}

/** Nothing is told, and nothing signed, before the secret is known to be right. */
export async function joinCluster(
  deps: ControlDeps,
  gate: JoinGate,
  request: JoinRequest,
  context: CallContext = {},
): Promise<Membership> {
  const certify = certifier(deps);
  const from = context.peer?.address ?? '';
  await admit(deps, gate, { request, from }, context);
  checkName('name', request.name);
  if (deps.view.entry(keys.nodeName(request.name))) {
    throw new WeftError('name-taken', `another node is called "${request.name}"`, {
      object: request.name,
      next: 'give --name',
    });
  }
  const nodeId = newId();
  const node = { nodeId, name: request.name, addresses: context.peer ? [from] : [] };
  const issued = await certify(node, { node: request.nodeCsr, client: request.clientCsr });
  const records = certificateRecords(nodeId, [issued.node, issued.client]);
  await commit(
    deps,
    () => {
      const use = takeUse(deps, presented(deps, request));
      return { ...use, then: [...use.then, ...records], result: undefined };
    },
    context,
  );
  deps.log.info({ nodeId, name: request.name, token: request.tokenId, from }, 'a host joined');
  return membership(deps, nodeId, issued);
}

async function admit(
  deps: ControlDeps,
  gate: JoinGate,
  { request, from }: { request: JoinRequest; from: string },
  context: CallContext,
): Promise<void> {
  gate.enter(from);
  const look = () => {
    findToken(deps, presented(deps, request));
    return { compare: [], then: [], result: undefined };
  };
  try {
    await commit(deps, look, context);
  } catch (error) {
    if (toWeftError(error).code === 'token-invalid') {
      gate.refused(from);
      deps.log.warn({ from }, 'a host that wanted to join showed no valid token');
    }
    throw error;
  }
}

function presented(deps: ControlDeps, { tokenId, secret }: JoinRequest): PresentedToken {
  return { id: tokenId, isSecretOf: (hash) => deps.trust.isSecretOf(hash, secret) };
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
