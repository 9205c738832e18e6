/** A node's own certificates on disk: who it is to its peers, and to etcd. */
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { join } from 'node:path';
import { WeftError } from '../model/errors.ts';
import { CA_CERTIFICATE, CA_KEY, type Credentials } from './authority.ts';
import type { KeyAndCertificate } from './certificate.ts';
import { ensurePrivateDirectory, readIfPresent, writePrivateFile } from './files.ts';

const FILES = { node: 'node', client: 'client', member: 'member' } as const;

/** The node's certificate itself, with what goes with it. */
export interface Identity extends Credentials {
  nodeId: string;
  notBefore: Date;
  notAfter: Date;
  /** for etcd */
  client: Credentials;
}

/** Writes certificates issued for this node; never replaces an authority. */
export async function saveIdentity(directory: string, node: Credentials, client: Credentials): Promise<void> {
  await saveTrust(directory, node.ca);
  await savePair(directory, FILES.node, node);
  await savePair(directory, FILES.client, client);
}

/** For a process that reads its certificate from files: the paths. */
export async function saveMember(
  directory: string,
  member: Credentials,
): Promise<{ ca: string; cert: string; key: string }> {
  await saveTrust(directory, member.ca);
  await savePair(directory, FILES.member, member);
  const path = (name: string): string => join(directory, name);
  return { ca: path(CA_CERTIFICATE), cert: path(`${FILES.member}.crt`), key: path(`${FILES.member}.key`) };
}

/** undefined when the node has none yet, or its writing was cut short; throws for another cluster's. */
export async function loadIdentity(directory: string): Promise<Identity | undefined> {
  const ca = await readIfPresent(join(directory, CA_CERTIFICATE));
  const node = await loadPair(directory, FILES.node);
  const client = await loadPair(directory, FILES.client);
  if (ca === undefined || !node || !client) return undefined;
  for (const pair of [node, client]) refuseForeign(directory, ca, pair);
  const certificate = new X509Certificate(node.cert);
  return {
    nodeId: nodeIdOf(certificate),
    notBefore: new Date(certificate.validFrom),
    notAfter: new Date(certificate.validTo),
    ...node,
    ca,
    client: { ...client, ca },
  };
}

/** The node id in a certificate that was verified against the cluster's CA; '' when it is no node's. */
export function nodeIdOf(certificate: X509Certificate): string {
  return /(?:^|, )URI:weft:\/\/node\/([0-9A-Z]{26})(?:,|$)/.exec(certificate.subjectAltName ?? '')?.[1] ?? '';
}

async function saveTrust(directory: string, ca: string): Promise<void> {
  await ensurePrivateDirectory(directory);
  if ((await readIfPresent(join(directory, CA_CERTIFICATE))) === ca) return;
  if ((await readIfPresent(join(directory, CA_KEY))) !== undefined) {
    throw new WeftError('configuration-invalid', `${directory} holds the CA of another cluster`, { object: directory });
  }
  await writePrivateFile(join(directory, CA_CERTIFICATE), ca);
}

/** A crash between the two leaves a pair that does not match, which counts as none. */
async function savePair(directory: string, name: string, pair: KeyAndCertificate): Promise<void> {
  await writePrivateFile(join(directory, `${name}.key`), pair.key);
  await writePrivateFile(join(directory, `${name}.crt`), pair.cert);
}

async function loadPair(directory: string, name: string): Promise<KeyAndCertificate | undefined> {
  const key = await readIfPresent(join(directory, `${name}.key`));
  const cert = await readIfPresent(join(directory, `${name}.crt`));
  if (key === undefined || cert === undefined) return undefined;
  return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)) ? { key, cert } : undefined;
}

function refuseForeign(directory: string, ca: string, pair: KeyAndCertificate): void {
  if (new X509Certificate(pair.cert).verify(new X509Certificate(ca).publicKey)) return;
  throw new WeftError('configuration-invalid', `a certificate in ${directory} was not issued by the CA beside it`, {
    object: directory,
    next: 'have the node’s certificates issued anew',
  });
}
