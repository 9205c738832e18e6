/** Who calls over TCP. One interceptor stands before every method of every service, so that none can be forgotten. */
import { Metadata, ResponderBuilder, ServerInterceptingCall, ServerListenerBuilder, status } from '@grpc/grpc-js';
import type { ServerInterceptingCallInterface, ServerInterceptor } from '@grpc/grpc-js';
import type { PeerCertificate } from 'node:tls';
import type { CallContext } from '../control/port.ts';
import { toWeftError, WeftError } from '../model/errors.ts';
import type { ErrorCode } from '../model/errors.ts';
import type { ToServiceError } from './errors.ts';

export type Peer = NonNullable<CallContext['peer']>;

/** Of the node whose valid certificate this is; throws `unauthenticated` for any other, `node-forgotten` for such a node's. */
export type IdentifyNode = (raw: Buffer | undefined) => string;

const UNKNOWN: readonly ErrorCode[] = ['unauthenticated', 'node-forgotten'];
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

export interface Gatekeeper {
  readonly interceptor: ServerInterceptor;
  /** Looks again at whoever has a call open: a stream outlives the look at its beginning. */
  readonly lookAgain: () => void;
}

export function gatekeeper(identify: IdentifyNode, toServiceError: ToServiceError): Gatekeeper {
  const open = new Set<ServerInterceptingCallInterface>();
  const turnAway = (call: ServerInterceptingCallInterface, refusal: WeftError) => {
    const { code, details, metadata } = toServiceError(refusal);
    call.sendStatus({
      code: UNKNOWN.includes(refusal.code) ? status.UNAUTHENTICATED : (code ?? status.PERMISSION_DENIED),
      details: details ?? '',
      metadata: metadata ?? new Metadata(),
    });
  };
  return {
    interceptor: ({ path }, call) => {
      const refusal = path === JOIN ? undefined : refuse(path, call, identify);
      const responder = new ResponderBuilder();
      if (refusal) {
        const listener = new ServerListenerBuilder().withOnReceiveMetadata(() => turnAway(call, refusal)).build();
        return new ServerInterceptingCall(call, responder.withStart((next) => next(listener)).build());
      }
      if (path === JOIN) return new ServerInterceptingCall(call);
      open.add(call);
      const listener = new ServerListenerBuilder().withOnCancel(() => open.delete(call)).build();
      responder.withStart((next) => next(listener));
      responder.withSendMessage((message, next) => {
        if (open.has(call)) next(message);
      });
      responder.withSendStatus((outcome, next) => {
        if (open.delete(call)) next(outcome);
      });
      return new ServerInterceptingCall(call, responder.build());
    },
    lookAgain: () => {
      for (const call of open) {
        const refusal = refusalOf(call, identify);
        if (!refusal) continue;
        open.delete(call);
        turnAway(call, refusal);
      }
    },
  };
}

function refuse(path: string, call: Connected, identify: IdentifyNode): WeftError | undefined {
  const refusal = refusalOf(call, identify);
  if (refusal || !LOCAL.has(path)) return refusal;
  return new WeftError('not-allowed', `${path.split('/').at(-1) ?? ''} is for callers on the host itself`, {
    next: 'run the command on that host',
  });
}

function refusalOf(call: Connected, identify: IdentifyNode): WeftError | undefined {
  try {
    identify(call.getAuthContext().sslPeerCertificate?.raw);
    return undefined;
  } catch (error) {
    return toWeftError(error);
  }
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
