/** Who calls over TCP. One interceptor stands before every method of every service, so that none can be forgotten. */
import { Metadata, ResponderBuilder, ServerInterceptingCall, ServerListenerBuilder, status } from '@grpc/grpc-js';
import type { ServerInterceptor } from '@grpc/grpc-js';
import type { PeerCertificate } from 'node:tls';
import type { CallContext } from '../control/port.ts';
import { toWeftError, WeftError } from '../model/errors.ts';
import type { ToServiceError } from './errors.ts';

export type Peer = NonNullable<CallContext['peer']>;

/** Of the node whose valid certificate this is; throws `unauthenticated` for any other and for a forgotten node's. */
export type IdentifyNode = (raw: Buffer | undefined) => string;

const JOIN = '/weft.v1.Weft/Join';
/** They touch what is on the host itself, in namespaces and engines: a peer has no business there. */
const LOCAL = new Set(
  ['AttachEndpoint', 'DetachEndpoint', 'UpdateEndpoint', 'SyncEngine', 'RotateCertificates'].map(
    (method) => `/weft.v1.Weft/${method}`,
  ),
);

interface Connected {
  getPeer(): string;
  getAuthContext(): { sslPeerCertificate?: PeerCertificate };
}

export function requireNode(identify: IdentifyNode, toServiceError: ToServiceError): ServerInterceptor {
  return ({ path }, call) => {
    const refusal = path === JOIN ? undefined : refuse(path, call, identify);
    if (!refusal) return new ServerInterceptingCall(call);
    const { code, details, metadata } = toServiceError(refusal);
    const answer = {
      code: refusal.code === 'unauthenticated' ? status.UNAUTHENTICATED : (code ?? status.PERMISSION_DENIED),
      details: details ?? '',
      metadata: metadata ?? new Metadata(),
    };
    const listener = new ServerListenerBuilder().withOnReceiveMetadata(() => call.sendStatus(answer)).build();
    return new ServerInterceptingCall(call, new ResponderBuilder().withStart((next) => next(listener)).build());
  };
}

function refuse(path: string, call: Connected, identify: IdentifyNode): WeftError | undefined {
  try {
    identify(call.getAuthContext().sslPeerCertificate?.raw);
  } catch (error) {
    return toWeftError(error);
  }
  if (!LOCAL.has(path)) return undefined;
  return new WeftError('not-allowed', `${path.split('/').at(-1) ?? ''} is for callers on the host itself`, {
    next: 'run the command on that host',
  });
}

/** For use cases that ask who calls; undefined on the unix socket. */
export function peerOf(call: Connected, identify: IdentifyNode): Peer {
  const raw = call.getAuthContext().sslPeerCertificate?.raw;
  let node: string | undefined;
  try {
    node = raw && identify(raw);
  } catch {
    node = undefined;
  }
  return { node, address: addressOf(call.getPeer()) };
}

/** "192.0.2.1:4711", "[fd00::1]:4711", with "::ffff:" before IPv4 on a socket of both. */
function addressOf(peer: string): string {
  const at = peer.lastIndexOf(':');
  return peer
    .slice(0, at < 0 ? undefined : at)
    .replace(/^\[|\]$/g, '')
    .replace(/^::ffff:(?=\d+\.)/i, '');
}
