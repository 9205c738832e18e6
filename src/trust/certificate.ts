/**
 * Keys and X.509 certificates of a cluster: ECDSA on P-256, signed with SHA-256. Everything here is in memory; files are
 * authority.ts' and identity.ts' business.
 */
// @peculiar/x509 resolves its parts through reflect-metadata, which has to be loaded before it
import 'reflect-metadata';
import { createPrivateKey, createPublicKey, randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const HOUR = 3_600_000;
const YEAR = 365 * 24 * HOUR;
/** hosts whose clocks are behind the signer's by up to this accept the certificate at once */
const BACKDATE = 24 * HOUR;

export const CA_LIFETIME = 10 * YEAR;
export const LEAF_LIFETIME = YEAR;

/** PEM text */
export interface KeyAndCertificate {
  key: string;
  cert: string;
}

export interface Signer {
  certificate: x509.X509Certificate;
  key: webcrypto.CryptoKey;
}

export interface LeafRequest {
  commonName: string;
  organization: string;
  /** all may be empty */
  ips: string[];
  dnsNames: string[];
  uris: string[];
  server: boolean;
}

export async function makeAuthority(commonName: string, now: Date): Promise<KeyAndCertificate> {
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: newSerial(),
      name: [{ CN: [commonName] }, { O: ['weft'] }],
      ...validity(now, CA_LIFETIME),
      signingAlgorithm: ALGORITHM,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return { key: await exportKey(keys.privateKey), cert: certificate.toString('pem') };
}

/** For the key that is given; with one made here when it is no key on P-256, or none is given. */
export async function signLeaf(
  signer: Signer,
  request: LeafRequest,
  now: Date,
  key?: string,
): Promise<KeyAndCertificate> {
  const kept = key === undefined ? undefined : await publicKeyOf(key);
  if (key !== undefined && kept) return { key, cert: await signFor(signer, request, kept, now) };
  const keys = await generateKeys();
  return { key: await exportKey(keys.privateKey), cert: await signFor(signer, request, keys.publicKey, now) };
}

/** For the key of a signing request (PKCS #10). Nothing else in it counts: names and uses are the authority's to give. */
export async function signRequested(signer: Signer, request: LeafRequest, csr: string, now: Date): Promise<string> {
  const asked = new x509.Pkcs10CertificateRequest(x509.PemConverter.decodeFirst(csr));
  const key = await webcrypto.subtle.importKey('spki', asked.publicKey.rawData, ALGORITHM, true, ['verify']);
  if (!(await asked.verify(webcrypto))) throw new TypeError('the request is not signed with its own key');
  return signFor(signer, request, key, now);
}

/** A key, and the request to certify it, for an authority on another host. */
export async function makeRequest(commonName: string): Promise<{ key: string; csr: string }> {
  const keys = await generateKeys();
  const request = await x509.Pkcs10CertificateRequestGenerator.create(
    { name: [{ CN: [commonName] }], keys, signingAlgorithm: ALGORITHM },
    webcrypto,
  );
  return { key: await exportKey(keys.privateKey), csr: request.toString('pem') };
}

/** PEM's label for them (RFC 7468, 5): by another one etcd does not know the list for what it is. */
const REVOCATIONS = 'X509 CRL';

/** The list of certificates that count no more; PEM. It says how it stands now: the next one replaces it. */
export async function signRevocations(signer: Signer, serials: readonly string[], now: Date): Promise<string> {
  const list = await x509.X509CrlGenerator.create(
    {
      issuer: signer.certificate.subjectName.toJSON(),
      thisUpdate: now,
      nextUpdate: new Date(now.getTime() + CA_LIFETIME),
      entries: serials.map((serialNumber) => ({ serialNumber, revocationDate: now })),
      signingAlgorithm: ALGORITHM,
      signingKey: signer.key,
    },
    webcrypto,
  );
  return x509.PemConverter.encode(list.rawData, REVOCATIONS);
}

/** Serials on such a list, in hex as node:crypto writes them. */
export function readRevocations(pem: string): string[] {
  const { entries } = new x509.X509Crl(x509.PemConverter.decodeFirst(pem));
  return entries.map(({ serialNumber }) => serialNumber.toUpperCase());
}

async function signFor(
  signer: Signer,
  request: LeafRequest,
  publicKey: webcrypto.CryptoKey,
  now: Date,
): Promise<string> {
  const names: x509.JsonGeneralNames = [
    ...request.dnsNames.map((value) => ({ type: 'dns' as const, value })),
    ...request.ips.map((value) => ({ type: 'ip' as const, value })),
    ...request.uris.map((value) => ({ type: 'url' as const, value })),
  ];
  const usages = [x509.ExtendedKeyUsage.clientAuth, ...(request.server ? [x509.ExtendedKeyUsage.serverAuth] : [])];
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: newSerial(),
      // as attributes, not as text: nothing in a name can become another attribute
      subject: [{ CN: [request.commonName] }, { O: [request.organization] }],
      issuer: signer.certificate.subjectName.toJSON(),
      ...validity(now, LEAF_LIFETIME),
      signingAlgorithm: ALGORITHM,
      publicKey,
      signingKey: signer.key,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension(usages),
        new x509.SubjectAlternativeNameExtension(names),
        await x509.SubjectKeyIdentifierExtension.create(publicKey, false, webcrypto),
        await x509.AuthorityKeyIdentifierExtension.create(signer.certificate, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return certificate.toString('pem');
}

/** Throws when a text is no PEM, or the key not on P-256. That they belong together is the caller's to check. */
export async function loadSigner(pair: KeyAndCertificate): Promise<Signer> {
  const key = x509.PemConverter.decodeFirst(pair.key);
  return {
    certificate: new x509.X509Certificate(pair.cert),
    key: await webcrypto.subtle.importKey('pkcs8', key, ALGORITHM, false, ['sign']),
  };
}

async function publicKeyOf(key: string): Promise<webcrypto.CryptoKey | undefined> {
  try {
    const spki = createPublicKey(createPrivateKey(key)).export({ type: 'spki', format: 'der' });
    return await webcrypto.subtle.importKey('spki', spki, ALGORITHM, true, ['verify']);
  } catch {
    return undefined;
  }
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
}

function validity(now: Date, lifetime: number): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(now.getTime() - BACKDATE), notAfter: new Date(now.getTime() + lifetime) };
}

/** 127 random bits with the second highest set: positive, 16 octets, never guessed, never met twice (RFC 5280, 4.1.2.2). */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString('hex');
}
