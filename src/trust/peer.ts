/** Who is at the other end of a TLS connection, by the certificate it showed: pure checks against the cluster's CA. */
import { X509Certificate } from 'node:crypto';
import type { PeerCertificate } from 'node:tls';
import { nodeIdOf } from './identity.ts';

/** Whom a certificate stands for; undefined when it is none of the cluster's, not of a node, or not valid now. */
export function nodeOfPeer(raw: Buffer | undefined, ca: string, now: Date): string | undefined {
  if (!raw || raw.length === 0) return undefined;
  try {
    const certificate = new X509Certificate(raw);
    if (!certificate.verify(new X509Certificate(ca).publicKey)) return undefined;
    if (now < new Date(certificate.validFrom) || now > new Date(certificate.validTo)) return undefined;
    return nodeIdOf(certificate) || undefined;
  } catch {
    return undefined;
  }
}

/**
 * For `checkServerIdentity` of a client: the server is a node of the cluster (its chain was verified before), and the one
 * that is meant. Addresses do not count: a node's may change, its id does not.
 */
export function checkNodeIdentity(expected?: string) {
  return (_host: string, peer: PeerCertificate): Error | undefined => {
    const id = nodeIdOf(new X509Certificate(peer.raw));
    if (id === '') return new Error('the server’s certificate is not a node’s');
    if (expected !== undefined && id !== expected) return new Error(`the server is node ${id}, not ${expected}`);
    return undefined;
  };
}
