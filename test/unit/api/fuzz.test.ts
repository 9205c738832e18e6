/**
 * weft.v1 under requests of no client of ours, on the unix socket and over mTLS, with a real control behind both: each
 * ends in an answer or in a failure with a stable code and details, and the daemon serves on as before.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, credentials, status } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import pino from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connect } from '../../../src/api/client.ts';
import { DETAILS_TRAILER } from '../../../src/api/status-details.ts';
import { ERROR_TRAILER, loadApi } from '../../../src/api/definition.ts';
import { startApiServer } from '../../../src/api/server.ts';
import { startTcpServer } from '../../../src/api/tcp-server.ts';
import { ERRORS, WeftError } from '../../../src/model/errors.ts';
import type { ErrorReport } from '../../../src/model/errors.ts';
import { certifyNode, createAuthority, issueNodeCertificate } from '../../../src/trust/authority.ts';
import { makeRequest } from '../../../src/trust/certificate.ts';
import { loadIdentity, saveIdentity } from '../../../src/trust/identity.ts';
import type { Identity } from '../../../src/trust/identity.ts';
import { IdentityKeeper } from '../../../src/trust/keeper.ts';
import { checkNodeIdentity, nodeOfPeer } from '../../../src/trust/peer.ts';
import { noTrust, TestCluster } from '../../support/control.ts';
import { messagesOf, RequestFuzz } from '../../support/protobuf-fuzz.ts';
import type { Vocabulary } from '../../support/protobuf-fuzz.ts';
import { Random } from '../../support/random.ts';

const LONG = process.env.WEFT_LONG !== undefined;
const REQUESTS = LONG ? 200_000 : 10_000;
const AT_ONCE = 32;
const SEED = 20_261_121;
const DEADLINE = 60_000;
/** beyond what the tests' own buffers need */
const MEMORY = 400 << 20;

const { Weft, messages } = loadApi();
const METHODS = Object.values(Weft.service);

let folder: string;
let cluster: TestCluster;
let servers: { close(): Promise<void> }[];
let clients: Client[];
let faults: string[];
let words: Vocabulary;
let socketPath: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weft-fuzz-'));
  cluster = new TestCluster();
  const { control, deps } = await cluster.node('host1');
  const peer = (await cluster.node('host2')).deps.node;
  const lost = (await cluster.node('host3')).deps.node;
  const authority = await createAuthority(folder);
  const identity = async (nodeId: string): Promise<Identity> => {
    const pki = join(folder, nodeId);
    const issued = await issueNodeCertificate(authority, { nodeId, name: 'a', addresses: [] });
    await saveIdentity(pki, issued, issued);
    return (await loadIdentity(pki))!;
  };
  let tokens = 0;
  Object.assign(deps, {
    trust: {
      ...noTrust,
      ca: authority.certificate,
      certify: (node: Parameters<typeof certifyNode>[1], csr: Parameters<typeof certifyNode>[2]) =>
        certifyNode(authority, node, csr),
      isSecretOf: (hash: string, secret: string) => hash === secret,
      newToken: () => ({ id: `token${String(tokens++ % 5)}`, hash: 'right', text: 'weft1.x' }),
      rotate: () => Promise.resolve({ notAfter: new Date('2027-01-01T00:00:00Z') }),
    },
  });
  faults = [];
  const log = pino({ level: 'error' }, { write: (line: string) => void faults.push(line) });
  socketPath = join(folder, 'weft.sock');
  const common = { control, nodeName: 'host1', log };
  let known: string | undefined;
  const tcp = await startTcpServer({
    ...{ ...common, address: '127.0.0.1', port: 0, certificates: new IdentityKeeper(await identity(deps.node.id)) },
    identify: (raw) => {
      // one peer calls, thousands of times
      known ??= nodeOfPeer(raw, authority.certificate, new Date());
      if (known === undefined) throw new WeftError('unauthenticated', 'not a node');
      return known;
    },
  });
  servers = [await startApiServer({ ...common, socketPath }), tcp];
  const own = await identity(peer.id);
  const tls = credentials.createSsl(Buffer.from(authority.certificate), Buffer.from(own.key), Buffer.from(own.cert), {
    checkServerIdentity: checkNodeIdentity(deps.node.id),
  });
  clients = [
    new Client(`unix:${socketPath}`, credentials.createInsecure()),
    new Client(`127.0.0.1:${tcp.port}`, tls, { 'grpc.ssl_target_name_override': 'node.weft' }),
  ];
  await control.createTenant({ name: 'acme' });
  const network = await control.createNetwork({ tenant: 'acme', name: 'web', subnets: [{ cidr: '10.5.0.0/24' }] });
  const { csr } = await makeRequest('x');
  words = vocabulary({ network: network.id, csr, lost: lost.id });
});
afterEach(async () => {
  for (const client of clients) client.close();
  for (const server of servers) await server.close();
  await cluster.close();
  rmSync(folder, { recursive: true });
});

/** What stands in the fields of a request that could succeed. */
function vocabulary({ network, csr, lost }: { network: string; csr: string; lost: string }): Vocabulary {
  const refs = [
    'acme',
    'acme/web',
    'acme/web/one',
    'acme/db',
    'beta',
    'beta/web',
    'host1',
    'host3',
    'token1',
    network,
    lost,
  ];
  return {
    ref: [...refs, network.slice(0, 20), network.slice(0, 3)],
    tenant: ['acme', 'beta', 'gamma', network.slice(0, 4)],
    name: ['web', 'db', 'one', 'beta', 'gamma', 'host9'],
    network: ['acme/web', 'acme/db', 'beta/web', network],
    networks: ['web', 'db', network],
    node: ['host1', 'host2', 'nobody'],
    cidr: ['10.5.0.0/24', '10.6.0.0/29', '10.7.0.0/16', 'fd00:5::/64', '10.5.0.0/16'],
    gateway: ['', '10.6.0.6', '10.7.0.1'],
    reserved: ['10.6.0.4', '10.7.1.0/24', 'fd00:5::9'],
    reserve: ['10.5.0.128/25', '10.5.0.9'],
    unreserve: ['10.5.0.128/25', '10.5.0.9'],
    addresses: ['10.5.0.7', '10.5.0.8', 'fd00:5::7', '10.6.0.2'],
    netns: ['/run/netns/one', '/run/netns/two'],
    labels: ['app=web', 'app'],
    key: ['app', 'tier'],
    value: ['', 'web', 'db'],
    kinds: ['tenant', 'network', 'endpoint', 'node', 'engine'],
    state: ['ready', 'lost'],
    pageToken: [
      '',
      Buffer.from('["acme","web","01"]').toString('base64url'),
      Buffer.from('[{}]').toString('base64url'),
    ],
    tokenId: ['token0', 'token1'],
    secret: ['right', 'wrong'],
    nodeCsr: [csr],
    clientCsr: [csr],
    ipv6: ['', 'nat', 'routed'],
    allow: ['192.0.2.0/24', '192.0.2.1:53/udp'],
  };
}

/** The rest of each hundred are well-typed requests that mostly make sense. */
const KINDS: [number, string, (fuzz: RequestFuzz, message: string, chance: Random) => Buffer][] = [
  [30, 'well-typed', (fuzz, message, chance) => fuzz.message(message, chance.next())],
  [25, 'spoiled', (fuzz, message) => fuzz.spoil(fuzz.message(message, 0.9))],
  [10, 'bytes', (fuzz, _message, chance) => fuzz.bytes(chance.integer(300))],
  [5, 'hostile', (fuzz, message) => fuzz.hostile(message)],
];

interface Answer {
  code: status;
  error: ServiceError | undefined;
}

/** A stream is ended by us at its first message; that is `CANCELLED`, and an answer. */
function ask(client: Client, path: string, bytes: Buffer, streams: boolean): Promise<Answer> {
  const same = (raw: Buffer) => raw;
  const options = { deadline: Date.now() + DEADLINE };
  return new Promise((resolve) => {
    if (!streams) {
      client.makeUnaryRequest(path, same, same, bytes, options, (error) =>
        resolve({ code: error?.code ?? status.OK, error: error ?? undefined }),
      );
      return;
    }
    const call = client.makeServerStreamRequest(path, same, same, bytes, options);
    call.on('data', () => {
      resolve({ code: status.OK, error: undefined });
      call.cancel();
    });
    call.on('error', (error: ServiceError) => resolve({ code: error.code, error }));
  });
}

/** The loader puts the messages' definitions beside grpc-js' own fields. */
function requestOf(method: object): string {
  return (method as { requestType: { type: { name: string } } }).requestType.type.name;
}

/** What is wrong with an answer; undefined when it is as it should be. */
function complaint({ code, error }: Answer): string | undefined {
  if (error === undefined) return undefined;
  const [report] = error.metadata.get(ERROR_TRAILER);
  if (!report) return `${status[code]} without a report: ${error.details}`;
  const { code: stable, message, next } = JSON.parse(String(report)) as ErrorReport;
  if (!Object.hasOwn(ERRORS, stable) || stable === 'internal') return `${stable}: ${message}`;
  if (message === '' || next === '') return `${stable} says nothing: "${message}", "${next}"`;
  if (error.metadata.get(DETAILS_TRAILER).length !== 1) return `${stable} without standard details`;
  if (code === status.UNKNOWN || code === status.OK) return `${stable} as ${status[code]}`;
  return undefined;
}

test(
  `${REQUESTS} requests of every method: each is answered, or fails with a code and details`,
  async () => {
    const chance = new Random(SEED);
    const fuzz = new RequestFuzz(chance, messagesOf(messages), words);
    const before = process.memoryUsage.rss();
    const complaints = new Map<string, string>();
    const outcomes = new Map<string, number>();
    let asked = 0;
    const worker = async () => {
      while (asked < REQUESTS) {
        const number = asked++;
        const method = METHODS[number % METHODS.length]!;
        let dice = chance.integer(100);
        const found = KINDS.find(([share]) => (dice -= share) < 0);
        const message = requestOf(method);
        const bytes = found ? found[2](fuzz, message, chance) : fuzz.message(message, 0.97);
        // TLS costs four times as much: every fourth goes that way
        const over = chance.integer(4) === 0 ? 1 : 0;
        const answer = await ask(clients[over]!, method.path, bytes, method.responseStream);
        const wrong = complaint(answer);
        const outcome = `${found?.[1] ?? 'sensible'} ${answer.error ? 'refused' : 'answered'}`;
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        if (wrong !== undefined) {
          const what = `${method.path} ${over === 0 ? 'unix' : 'tcp'}: ${wrong}`;
          complaints.set(what, bytes.subarray(0, 200).toString('hex'));
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    expect([...complaints].slice(0, 20)).toEqual([]);
    expect(faults).toEqual([]);
    // every kind was refused somewhere, and what makes sense was done somewhere
    for (const [, kind] of KINDS) expect(outcomes.get(`${kind} refused`) ?? 0, kind).toBeGreaterThan(0);
    expect(outcomes.get('sensible answered') ?? 0).toBeGreaterThan(REQUESTS / 100);
    expect(process.memoryUsage.rss() - before).toBeLessThan(MEMORY);
    await servesAsBefore();
  },
  LONG ? 3_600_000 : 300_000,
);

async function servesAsBefore(): Promise<void> {
  const client = connect({ socketPath });
  try {
    await client.call('CreateTenant', { name: 'after' });
    const made = await client.call('CreateNetwork', {
      tenant: 'after',
      name: 'web',
      subnets: [{ cidr: '10.99.0.0/24' }],
    });
    const endpoint = await client.call('AttachEndpoint', { network: 'after/web', netns: '/run/netns/x', name: 'one' });
    expect(endpoint.addresses).toHaveLength(1);
    await client.call('DetachEndpoint', { ref: 'after/web/one' });
    await client.call('DeleteNetwork', { ref: made.id, force: false });
    expect(await client.call('ListNetworks', { tenant: 'after' })).toEqual({ networks: [], nextPageToken: '' });
  } finally {
    client.close();
  }
}
