/**
 * The cluster's certificate authority, in a directory of the first node, and what it issues. Its key never leaves that
 * directory: nodes are given certificates, not the means to make them.
 */
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { WeftError } from '../model/errors.ts';
import { isName } from '../model/names.ts';
import {
  loadSigner,
  makeAuthority,
  signLeaf,
  signRequested,
  type KeyAndCertificate,
  type LeafRequest,
  type Signer,
} from './certificate.ts';
import { ensurePrivateDirectory, readIfPresent, writePrivateFile } from './files.ts';

export const CA_CERTIFICATE = 'ca.crt';
export const CA_KEY = 'ca.key';

const LOOPBACK = ['127.0.0.1', '::1'];
const NODE_ID = /^[0-9A-HJKMNP-TV-Z]{26}$/;
const DNS_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;

export interface Authority {
  readonly directory: string;
  /** PEM; no secret */
  readonly certificate: string;
  readonly signer: Signer;
  readonly now: () => Date;
}

/** A certificate with its key and the authority to trust; PEM. Fits node:tls, grpc and the store as it is. */
export interface Credentials extends KeyAndCertificate {
  ca: string;
}

export interface NodeRequest {
  nodeId: string;
  name: string;
  /** all that others reach it by; loopback is added */
  addresses: string[];
  dnsNames?: string[];
}

/** Loads the authority of a directory, or makes it when there is none. Safe to repeat; never replaces one. */
export async function createAuthority(directory: string, now: () => Date = () => new Date()): Promise<Authority> {
  await ensurePrivateDirectory(directory);
  const certificate = await readIfPresent(join(directory, CA_CERTIFICATE));
  if (certificate === undefined) {
    // a key without its certificate has signed nothing: a first start that was cut short
    const made = await makeAuthority('weft cluster CA', now());
    await writePrivateFile(join(directory, CA_KEY), made.key);
    await writePrivateFile(join(directory, CA_CERTIFICATE), made.cert);
  }
  return loadAuthority(directory, now);
}

/** The authority of a directory that has its key; undefined on all nodes but the first. */
export async function openAuthority(directory: string): Promise<Authority | undefined> {
  const key = await readIfPresent(join(directory, CA_KEY));
  return key === undefined ? undefined : createAuthority(directory);
}

/** For the node's peers, its API and its own outgoing calls: server and client. */
export function issueNodeCertificate(authority: Authority, request: NodeRequest): Promise<Credentials> {
  return issue(authority, nodeLeaf(request));
}

/** Both certificates of a node that keeps its key to itself: for its peers, and for etcd. PEM. */
export async function certifyNode(
  authority: Authority,
  request: NodeRequest,
  csr: { node: string; client: string },
): Promise<{ node: string; client: string }> {
  const certify = async (leaf: LeafRequest, path: 'node' | 'client'): Promise<string> => {
    try {
      return await signRequested(authority.signer, checkedLeaf(leaf), csr[path], authority.now());
    } catch (error) {
      throw new WeftError('invalid-argument', `csr.${path}: is no signing request for a key on P-256`, {
        cause: error,
      });
    }
  };
  return {
    node: await certify(nodeLeaf(request), 'node'),
    client: await certify(clientLeaf(request.nodeId), 'client'),
  };
}

function nodeLeaf(request: NodeRequest): LeafRequest {
  const { nodeId, name } = request;
  refuseUnless(NODE_ID.test(nodeId), `nodeId: "${nodeId}" is not a node's id`);
  refuseUnless(isName(name), `name: "${name}" is not a node's name`);
  return {
    commonName: nodeId,
    organization: 'weft node',
    ips: request.addresses,
    dnsNames: [name, 'localhost', ...(request.dnsNames ?? [])],
    uris: [nodeUri(nodeId)],
    server: true,
  };
}

/**
 * For the node's calls of etcd. It cannot serve and names no host, so it holds from whatever address the node calls. (etcd
 * 3.4 does not compare a client's address with its certificate [tried on 3.4.23]; a peer's it does.)
 */
export function issueClientCertificate(authority: Authority, request: { nodeId: string }): Promise<Credentials> {
  return issue(authority, clientLeaf(request.nodeId));
}

function clientLeaf(nodeId: string): LeafRequest {
  refuseUnless(NODE_ID.test(nodeId), `nodeId: "${nodeId}" is not a node's id`);
  const subject = { commonName: nodeId, organization: 'weft node' };
  return { ...subject, ips: [], dnsNames: [], uris: [nodeUri(nodeId)], server: false };
}

/**
 * For an etcd member: its clients' listener, its peers' listener, and its calls of its peers, who compare the address it
 * calls from with those named here. For the key that is given, as long as it is one; else with a new one.
 */
export function issueMemberCertificate(
  authority: Authority,
  request: { name: string; addresses: string[]; dnsNames?: string[]; key?: string | undefined },
): Promise<Credentials> {
  refuseUnless(isName(request.name), `name: "${request.name}" is not a member's name`);
  const dnsNames = ['localhost', ...(request.dnsNames ?? [])];
  const subject = { commonName: request.name, organization: 'weft etcd' };
  return issue(authority, { ...subject, ips: request.addresses, dnsNames, uris: [], server: true }, request.key);
}

/** The identity that a node's certificate carries beside its subject. */
export function nodeUri(nodeId: string): string {
  return `weft://node/${nodeId}`;
}

async function issue(authority: Authority, leaf: LeafRequest, key?: string): Promise<Credentials> {
  const issued = await signLeaf(authority.signer, checkedLeaf(leaf), authority.now(), key);
  return { ...issued, ca: authority.certificate };
}

function checkedLeaf(leaf: LeafRequest): LeafRequest {
  for (const address of leaf.ips) refuseUnless(isIP(address) !== 0, `addresses: "${address}" is not an address`);
  for (const name of leaf.dnsNames) refuseUnless(DNS_NAME.test(name), `dnsNames: "${name}" is not a DNS name`);
  const ips = leaf.server ? [...new Set([...leaf.ips, ...LOOPBACK])] : leaf.ips;
  return { ...leaf, ips, dnsNames: [...new Set(leaf.dnsNames)] };
}

async function loadAuthority(directory: string, now: () => Date): Promise<Authority> {
  const certificate = await readIfPresent(join(directory, CA_CERTIFICATE));
  const key = await readIfPresent(join(directory, CA_KEY));
  if (certificate === undefined || key === undefined) {
    throw new WeftError('configuration-invalid', `${directory} has a CA certificate without its key`, {
      object: directory,
      next: 'only the node that made the cluster can issue certificates; restore its pki directory from a backup',
    });
  }
  if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))) {
    throw new WeftError('configuration-invalid', `the CA certificate in ${directory} belongs to another key`, {
      object: directory,
      next: 'restore the pki directory from a backup',
    });
  }
  const signer = await loadSigner({ cert: certificate, key });
  return { directory, certificate, signer, now };
}

function refuseUnless(condition: boolean, message: string): void {
  if (!condition) throw new WeftError('invalid-argument', message);
}
