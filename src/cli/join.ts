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
  /** the name replaces one that weft.yaml has */
  rename?: boolean;
}

export interface Joined {
  nodeId: string;
  /** it was a node of that cluster before */
  already: boolean;
  /** what was left as it was found, though the cluster has it otherwise */
  note?: string;
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
  return { ...(await enroll(options, token)), already: false };
}

/**
 * The host gets an identity of the token's cluster, in place of any that it has.
 * `beforeSaved`: the last thing before the host is that node.
 */
export async function enroll(
  options: JoinOptions,
  token: JoinToken,
  beforeSaved: () => Promise<void> = () => Promise.resolve(),
): Promise<Omit<Joined, 'already'>> {
  const { host, port } = splitHost(options.host);
  const config = await readConfig(options.config);
  refuseOwnStore(options.config, config);
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
    const note = await writeConfig(options, config, answer.storeEndpoints);
    await beforeSaved();
    // last: with it this host is a node
    await saveIdentity(options.pki, issued, forEtcd);
    return { nodeId: answer.nodeId, ...(note && { note }) };
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
  for (const { validFrom, validTo } of [ca, leaf]) assertNow(host, new Date(validFrom), new Date(validTo));
  return ca.toString();
}

/** TLS would refuse it too, with a word that names neither clock. */
export function assertNow(host: string, from: Date, to: Date, now = new Date()): void {
  if (from <= now && now <= to) return;
  const [here, first, last] = [now, from, to].map((time) => time.toISOString());
  throw new WeftError('clock-skew', `it is ${here} here; ${host} shows a certificate for ${first} to ${last}`, {
    object: host,
  });
}

async function showCertificates(host: string, port: number): Promise<{ leaf: X509Certificate; ca?: X509Certificate }> {
  // The chain is held against the pin, not verified here; nothing is sent over this connection.
  const socket = connectTls({ host, port, rejectUnauthorized: false, ALPNProtocols: ['h2'] });
  const deadline = setTimeout(() => socket.destroy(new Error(`no answer within ${DEADLINE / 1_000} s`)), DEADLINE);
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve).once('error', reject);
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
    clearTimeout(deadline);
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

/** Before anything is sent: a host that is set to run an etcd of its own is not changed in silence. */
function refuseOwnStore(path: string, document: Document): void {
  const store = storeOf(document);
  if (store === undefined || store.mode === 'external') return;
  throw new WeftError('configuration-invalid', `${path} configures another store: ${JSON.stringify(store)}`, {
    object: 'store',
    next: `remove "store" from ${path}`,
  });
}

/** What is there stays, comments too; endpoints that somebody chose before are kept, and said to be. */
async function writeConfig(
  { config: path, name, rename = false }: JoinOptions,
  document: Document,
  endpoints: string[],
): Promise<string | undefined> {
  const kept = storeOf(document)?.endpoints;
  if (document.contents === null) document.contents = document.createNode({});
  if (!kept) {
    document.setIn(['store', 'mode'], 'external');
    document.setIn(['store', 'endpoints'], endpoints);
  }
  if (rename || !document.hasIn(['node', 'name'])) document.setIn(['node', 'name'], name);
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  await writePrivateFile(path, document.toString());
  if (!kept || JSON.stringify(kept) === JSON.stringify(endpoints)) return undefined;
  return `${path} keeps its own store.endpoints; the cluster's are ${endpoints.join(', ')}`;
}

function storeOf(document: Document): { mode?: unknown; endpoints?: unknown } | undefined {
  return (document.toJS() as { store?: object } | null)?.store;
}
