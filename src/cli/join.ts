/**
 * Making this host a node: the cluster's CA is learned from the handshake and held against the token's pin before the
 * token's secret is told; the keys are made here and never leave the host. weftd need not run, and finds all it needs
 * when it starts.
 */
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { dirname } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { credentials } from '@grpc/grpc-js';
import { Document, parseDocument } from 'yaml';
import { connect } from '../api/client.ts';
import { describeCause, WeftError } from '../model/errors.ts';
import { makeRequest } from '../trust/certificate.ts';
import { writePrivateFile } from '../trust/files.ts';
import { loadIdentity, saveIdentity } from '../trust/identity.ts';
import { checkNodeIdentity } from '../trust/peer.ts';
import { parseToken, pinOf } from '../trust/token.ts';
import type { JoinToken } from '../trust/token.ts';
import { usage } from './context.ts';

export interface JoinOptions {
  /** HOST or HOST:PORT, "[fd00::1]:7781" */
  host: string;
  token: string;
  name: string;
  pki: string;
  /** weft.yaml, where the store's endpoints are written */
  config: string;
}

export interface Joined {
  nodeId: string;
  /** it was a node of that cluster before */
  already: boolean;
}

const DEFAULT_PORT = 7781;
const DEADLINE = 10_000;

export async function joinCluster(options: JoinOptions): Promise<Joined> {
  const token = parseToken(options.token);
  const known = await loadIdentity(options.pki);
  if (known) {
    if (pinOf(new X509Certificate(known.ca)) === token.pin) return { nodeId: known.nodeId, already: true };
    throw new WeftError('already-joined', `${options.pki} belongs to another cluster`, { object: options.pki });
  }
  const { host, port } = splitHost(options.host);
  const config = await readConfig(options.config);
  const ca = await learnCa(host, port, token);
  const [node, client] = await Promise.all([makeRequest(options.name), makeRequest(options.name)]);
  const tls = credentials.createSsl(Buffer.from(ca), null, null, { checkServerIdentity: checkNodeIdentity() });
  const address = isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
  const daemon = connect({ remote: { address, credentials: tls }, deadline: DEADLINE });
  try {
    const answer = await daemon.call('Join', {
      tokenId: token.id,
      secret: token.secret,
      name: options.name,
      nodeCsr: node.csr,
      clientCsr: client.csr,
    });
    const issued = { key: node.key, cert: answer.nodeCertificate, ca };
    const forEtcd = { key: client.key, cert: answer.clientCertificate, ca };
    for (const pair of [issued, forEtcd]) assertOurs(pair);
    await writeConfig(options, config, answer.storeEndpoints);
    await saveIdentity(options.pki, issued, forEtcd);
    return { nodeId: answer.nodeId, already: false };
  } finally {
    daemon.close();
  }
}

function splitHost(text: string): { host: string; port: number } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? (isIPv6(text) ? text : undefined);
  if (host === undefined) throw usage(`"${text}" is not HOST or HOST:PORT`, 'weft node join --help');
  return { host, port: port === undefined ? DEFAULT_PORT : Number(port) };
}

/** The CA that the host shows, if it is the one the token was made for and signed the host's certificate. */
async function learnCa(host: string, port: number, token: JoinToken): Promise<string> {
  const { leaf, ca } = await showCertificates(host, port);
  if (!ca || pinOf(ca) !== token.pin || !leaf.verify(ca.publicKey)) {
    throw new WeftError('pin-mismatch', `${host}:${port} does not belong to the cluster of this token`, {
      object: host,
    });
  }
  return ca.toString();
}

async function showCertificates(host: string, port: number): Promise<{ leaf: X509Certificate; ca?: X509Certificate }> {
  // The chain is held against the pin, not verified here; nothing is sent over this connection.
  const socket = connectTls({ host, port, rejectUnauthorized: false, ALPNProtocols: ['h2'] });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve).once('error', reject);
      socket.setTimeout(DEADLINE, () => reject(new Error('no answer')));
    });
    const shown = socket.getPeerCertificate(true);
    const issuer = (shown.issuerCertificate as typeof shown | undefined)?.raw;
    return { leaf: new X509Certificate(shown.raw), ...(issuer ? { ca: new X509Certificate(issuer) } : {}) };
  } catch (error) {
    throw new WeftError('peer-away', `${host}:${port} does not answer: ${describeCause(error)}`, {
      object: host,
      next: `check that weftd runs there and that TCP port ${port} is open`,
    });
  } finally {
    socket.destroy();
  }
}

function assertOurs(pair: { key: string; cert: string; ca: string }): void {
  const certificate = new X509Certificate(pair.cert);
  const ours = certificate.checkPrivateKey(createPrivateKey(pair.key));
  if (ours && certificate.verify(new X509Certificate(pair.ca).publicKey)) return;
  throw new WeftError('internal', 'the cluster answered with a certificate for another key');
}

async function readConfig(path: string): Promise<Document> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Document({});
    throw new WeftError('configuration-invalid', `${path}: ${describeCause(error)}`, { object: path });
  }
  const document = parseDocument(text);
  const [fault] = document.errors;
  if (fault) throw new WeftError('configuration-invalid', `${path}: ${fault.message}`, { object: path });
  return document;
}

/** What is there stays, comments too; a store that was configured otherwise is never changed in silence. */
async function writeConfig(
  { config: path, name }: JoinOptions,
  document: Document,
  endpoints: string[],
): Promise<void> {
  const wanted = { mode: 'external', endpoints };
  const has = (document.toJS() as { store?: object } | null)?.store;
  if (has !== undefined && JSON.stringify(has) !== JSON.stringify(wanted)) {
    throw new WeftError('configuration-invalid', `${path} configures another store: ${JSON.stringify(has)}`, {
      object: 'store',
      next: `remove "store" from ${path}, or set it to ${JSON.stringify(wanted)}`,
    });
  }
  if (document.contents === null) document.contents = document.createNode({});
  document.set('store', wanted);
  if (!document.hasIn(['node', 'name'])) document.setIn(['node', 'name'], name);
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  await writePrivateFile(path, document.toString());
}
