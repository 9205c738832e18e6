/** Who belongs to the cluster: certificates on record, and nodes that are forgotten. */
import { X509Certificate } from 'node:crypto';
import { WeftError } from '../model/errors.ts';
import { keys, prefixes } from '../model/keys.ts';
import type { ClusterState } from '../model/cluster.ts';
import type { CertificateRecord, EpochRecord, ForgottenNode, Node, TokenRecord } from '../model/objects.ts';
import type { Entry, Operation } from '../store/port.ts';
import { commit } from './commit.ts';
import type { ControlDeps } from './context.ts';
import type { CallContext } from './port.ts';

/** So that a node that is forgotten can be told from others by what it shows. */
export async function recordCertificates(
  deps: ControlDeps,
  node: string,
  certificates: string[],
  context?: CallContext,
): Promise<void> {
  const decide = () => ({
    compare: [{ key: keys.forgotten(node), revision: 0 }],
    then: certificateRecords(node, certificates),
    result: undefined,
  });
  assertRemembered(deps, node);
  await commit(deps, decide, context);
}

export function certificateRecords(node: string, certificates: string[]): Operation[] {
  return certificates.map((pem) => {
    const { serialNumber: serial, validTo } = new X509Certificate(pem);
    const record: CertificateRecord = { node, serial, notAfter: new Date(validTo).toISOString() };
    return { put: keys.certificate(node, serial), value: record };
  });
}

/** Throws `node-forgotten`. */
export function assertRemembered(deps: ControlDeps, node: string): void {
  const forgotten = deps.view.value<ForgottenNode>(keys.forgotten(node));
  if (!forgotten) return;
  throw new WeftError('node-forgotten', `node "${forgotten.name}" was forgotten at ${forgotten.at}`, {
    object: forgotten.name,
  });
}

/** Serials of all certificates that count no more, in hex. */
export function revokedSerials(deps: ControlDeps): string[] {
  const forgotten = new Set(deps.view.list<ForgottenNode>(prefixes.forgotten).map(({ id }) => id));
  return deps.view
    .list<CertificateRecord>(prefixes.certificates)
    .filter(({ node }) => forgotten.has(node))
    .map(({ serial }) => serial)
    .sort();
}

/**
 * Ends a node's membership: from this revision on its certificates are refused and it writes nothing. What it held is
 * collected once all others know (forgotten.ts); a host that comes back joins anew, as another node.
 */
export async function forgetNode(
  deps: ControlDeps,
  request: { ref: string; force: boolean },
  context?: CallContext,
): Promise<Node> {
  const decide = () => {
    const { state } = deps.view.current();
    const node = findMember(deps, request.ref);
    if (node.id === deps.node.id) {
      throw new WeftError('not-supported', 'a node cannot forget itself', {
        object: node.name,
        next: 'run it on another node',
      });
    }
    if (node.signs) {
      throw new WeftError('not-supported', `${node.name} holds the CA of the cluster: it cannot be forgotten`, {
        object: node.name,
      });
    }
    if (state.live.has(node.id) && !request.force) {
      throw new WeftError('node-live', `${node.name} is heard from`, { object: node.name });
    }
    const key = keys.node(node.id);
    const epochKey = keys.epoch(node.id);
    const before = deps.view.value<EpochRecord>(epochKey);
    const raised: EpochRecord = { ...before, node: node.id, epoch: (before?.epoch ?? 1) + 1 };
    const forgotten: ForgottenNode = { id: node.id, name: node.name, at: deps.now().toISOString() };
    return {
      compare: [
        { key, revision: deps.view.revisionOf(key) },
        { key: epochKey, revision: deps.view.revisionOf(epochKey) },
      ],
      then: [
        { put: epochKey, value: raised },
        { put: keys.forgotten(node.id), value: forgotten },
        { delete: key },
        { delete: keys.nodeName(node.name) },
      ],
      result: node,
    };
  };
  return (await commit(deps, decide, context)).result;
}

/** Tokens and certificates whose time is over: nobody can use them, and nothing needs to refuse them any more. */
export function expiredTrust(deps: ControlDeps): { entry: Entry; reason: string }[] {
  const now = deps.now().getTime();
  const over = (time: string) => Date.parse(time) <= now;
  const found: { entry: Entry; reason: string }[] = [];
  const look = (key: string, reason: string) => {
    const entry = deps.view.entry(key);
    if (entry) found.push({ entry, reason });
  };
  for (const token of deps.view.list<TokenRecord>(prefixes.tokens)) {
    if (over(token.expiresAt)) look(keys.token(token.id), 'a join token has expired');
  }
  for (const certificate of deps.view.list<CertificateRecord>(prefixes.certificates)) {
    if (over(certificate.notAfter))
      look(keys.certificate(certificate.node, certificate.serial), 'a certificate has expired');
  }
  return found;
}

/** A host that joined and never started has certificates and no record of its own: it is found by its whole id. */
function findMember(deps: ControlDeps, ref: string): Node {
  const [certificate] = deps.view.list<CertificateRecord>(prefixes.certificatesOf(ref));
  const { state } = deps.view.current();
  if (!certificate || state.nodes.has(ref) || deps.view.entry(keys.forgotten(ref))) return findNode(state, ref);
  return { id: ref, name: ref, vtep: '', underlayMtu: 0, bootId: '', version: '', createdAt: '' };
}

/** By name, id, or a unique beginning of an id. */
export function findNode(state: ClusterState, ref: string): Node {
  const nodes = [...state.nodes.values()];
  const named = nodes.find(({ name }) => name === ref);
  if (named) return named;
  const fitting = ref.length >= 6 ? nodes.filter(({ id }) => id.startsWith(ref.toUpperCase())) : [];
  const [only] = fitting;
  if (only && fitting.length === 1) return only;
  if (fitting.length > 1) {
    throw new WeftError('ambiguous-reference', `"${ref}" begins the ids of ${fitting.length} nodes`, { object: ref });
  }
  throw new WeftError('node-not-found', `no node "${ref}"`, { object: ref });
}
