/**
 * What lets a new host join: an id, a secret, and the pin of the cluster's CA, in one word of text. The cluster keeps only
 * a hash of the secret. The pin is of the CA's public key (SHA-256 over its SubjectPublicKeyInfo), so that a joining host
 * knows whom it tells the secret.
 */
import { createHash, randomBytes, timingSafeEqual, X509Certificate } from 'node:crypto';
import { WeftError } from '../model/errors.ts';

export interface JoinToken {
  id: string;
  secret: string;
  pin: string;
}

const PREFIX = 'weft1';
const SECRET_BYTES = 32;
const SHAPE = /^weft1\.([a-z2-7]{10})\.([\w-]{43})\.([\w-]{43})$/;
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

export function makeToken(ca: string): JoinToken {
  const id = [...randomBytes(10)].map((byte) => BASE32[byte % BASE32.length]).join('');
  return { id, secret: randomBytes(SECRET_BYTES).toString('base64url'), pin: pinOf(new X509Certificate(ca)) };
}

export function formatToken({ id, secret, pin }: JoinToken): string {
  return [PREFIX, id, secret, pin].join('.');
}

/** The message never repeats the text, which may be a token with one letter lost. */
export function parseToken(text: string): JoinToken {
  const [, id, secret, pin] = SHAPE.exec(text.trim()) ?? [];
  if (id && secret && pin) return { id, secret, pin };
  throw new WeftError('invalid-argument', 'token: is not one; it begins with "weft1." and has four parts', {
    next: 'weft token create --role node, on a node of the cluster',
  });
}

export function pinOf(ca: X509Certificate): string {
  return createHash('sha256')
    .update(ca.publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
}

export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** In a time that tells nothing of where they differ. */
export function isSecretOf(hash: string, secret: string): boolean {
  const [a, b] = [Buffer.from(hash, 'hex'), Buffer.from(hashSecret(secret), 'hex')];
  return a.length === b.length && timingSafeEqual(a, b);
}
