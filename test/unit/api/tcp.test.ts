/** weft.v1 over TCP: who is answered, by the certificate shown, and for how long. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, credentials, experimental, status } from '@grpc/grpc-js';
import type { ChannelCredentials } from '@grpc/grpc-js';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect } from '../../../src/api/client.ts';
import type { WeftClient } from '../../../src/api/client.ts';
import { loadApi } from '../../../src/api/definition.ts';
import { startTcpServer } from '../../../src/api/tcp-server.ts';
import type { TcpServer } from '../../../src/api/tcp-server.ts';
import { WeftError } from '../../../src/model/errors.ts';
import { newId } from '../../../src/model/names.ts';
import { createAuthority, issueMemberCertificate, issueNodeCertificate } from '../../../src/trust/authority.ts';
import type { Authority } from '../../../src/trust/authority.ts';
import { loadIdentity, saveIdentity } from '../../../src/trust/identity.ts';
import type { Identity } from '../../../src/trust/identity.ts';
import { IdentityKeeper } from '../../../src/trust/keeper.ts';
import { checkNodeIdentity, nodeOfPeer } from '../../../src/trust/peer.ts';
import { fakeControl, network } from '../../support/fake-control.ts';
import { until } from '../../support/until.ts';

const SERVER = newId();
const PEER = newId();
let folder: string;
let authority: Authority;
let keeper: IdentityKeeper;
let server: TcpServer;
let control: ReturnType<typeof fakeControl>;
let forgotten: Set<string>;
const clients: WeftClient[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weft-tcp-'));
  authority = await createAuthority(folder);
  keeper = new IdentityKeeper(await identity(SERVER));
  control = fakeControl();
  forgotten = new Set();
  server = await startTcpServer({
    ...{ address: '127.0.0.1', port: 0, control, nodeName: 'host1', log: pino({ level: 'silent' }) },
    certificates: keeper,
    identify: (raw) => {
      const node = nodeOfPeer(raw, authority.certificate, new Date());
      if (node === undefined || forgotten.has(node)) throw new WeftError('unauthenticated', 'not a node');
      return node;
    },
  });
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await server.close();
  rmSync(folder, { recursive: true });
});

async function identity(nodeId: string, from = authority): Promise<Identity> {
  const pki = join(folder, newId());
  const issued = await issueNodeCertificate(from, { nodeId, name: 'a', addresses: [] });
  await saveIdentity(pki, issued, issued);
  return (await loadIdentity(pki))!;
}

function client(tls: ChannelCredentials): WeftClient {
  const made = connect({ remote: { address: `127.0.0.1:${server.port}`, credentials: tls } });
  clients.push(made);
  return made;
}

function shows(pair: { ca: string; key: string; cert: string } | undefined, expected?: string): WeftClient {
  const [key, cert] = pair ? [Buffer.from(pair.key), Buffer.from(pair.cert)] : [null, null];
  const verify = { checkServerIdentity: checkNodeIdentity(expected) };
  return client(credentials.createSsl(Buffer.from(authority.certificate), key, cert, verify));
}

describe('a call over TCP', () => {
  it('is answered for a node of the cluster', async () => {
    expect(await shows(await identity(PEER)).call('GetStatus', {})).toMatchObject({ node: 'host1' });
  });

  it('is refused without a certificate, with one of another cluster, and with an etcd member’s', async () => {
    const other = await createAuthority(join(folder, 'other'));
    const member = await issueMemberCertificate(authority, { name: 'a', addresses: [] });
    for (const pair of [undefined, await identity(PEER, other), member]) {
      await expect(shows(pair).call('GetStatus', {})).rejects.toMatchObject({ code: 'unauthenticated' });
    }
  });

  it('is refused on every method of every service without a certificate, save Join', async () => {
    const others = [
      '/grpc.health.v1.Health/Check',
      '/grpc.health.v1.Health/Watch',
      '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
      '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
    ];
    const ours = Object.values(loadApi().Weft.service).map(({ path }) => path);
    expect(ours.length).toBeGreaterThan(20);
    const verify = { checkServerIdentity: checkNodeIdentity() };
    const tls = credentials.createSsl(Buffer.from(authority.certificate), null, null, verify);
    const raw = new Client(`127.0.0.1:${server.port}`, tls, { 'grpc.ssl_target_name_override': 'node.weft' });
    const same = (bytes: Buffer) => bytes;
    const answers = [...ours, ...others].map(
      (path) =>
        new Promise<[string, number | undefined]>((resolve) => {
          raw.makeUnaryRequest(path, same, same, Buffer.alloc(0), (error) => resolve([path, error?.code]));
        }),
    );
    const answered = (await Promise.all(answers)).filter(([, code]) => code !== status.UNAUTHENTICATED);
    raw.close();
    expect(answered.map(([path]) => path)).toEqual(['/weft.v1.Weft/Join']);
  });

  it('is not made to a server that is another node than the one meant', async () => {
    const peer = await identity(PEER);
    await expect(shows(peer, PEER).call('GetStatus', {})).rejects.toMatchObject({ code: 'daemon-away' });
    await shows(peer, SERVER).call('GetStatus', {});
  });

  /** A host that hangs up on all who come. With grpc-js' own pauses, which grow, there would be five tries. */
  it('is tried anew every second while a node is away, so that one that is back is reached', async () => {
    let tries = 0;
    const closed = createServer((socket) => {
      tries++;
      socket.on('error', () => undefined).destroy();
    }).listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    const made = connect({ remote: { address: `127.0.0.1:${port}`, credentials: credentials.createSsl() } });
    clients.push(made);
    const fails = async () => {
      await expect(made.call('GetStatus', {})).rejects.toMatchObject({ code: 'daemon-away' });
      return tries >= 8;
    };
    await until(fails, { what: 'eight tries', deadline: 15_000 }).finally(() => closed.close());
  }, 20_000);
});

describe('a stream over TCP', () => {
  /** Goes on until its signal, one event each millisecond. */
  function endless() {
    const seen = { taken: 0, ended: false };
    control.watch.mockImplementation(async function* (_request, signal) {
      for (; !signal.aborted; seen.taken++) {
        yield { type: 'added', kind: 'network', revision: seen.taken, at: '', network };
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      seen.ended = true;
    });
    return seen;
  }

  it('ends when its node is forgotten, and others’ go on', async () => {
    const seen = endless();
    const [lost, kept] = [await identity(PEER), await identity(newId())];
    const stop = new AbortController();
    let arrived = 0;
    const other = (async () => {
      for await (const event of shows(kept).stream('Watch', { kinds: [], labels: [] }, stop.signal)) {
        if (event.kind !== '') arrived++;
      }
    })();
    await until(() => arrived > 0, { what: 'the other stream' });
    const leaving = shows(lost);
    const work = (async () => {
      let first = true;
      for await (const event of leaving.stream('Watch', { kinds: [], labels: [] }, new AbortController().signal)) {
        if (!first || event.kind === '') continue;
        first = false;
        forgotten.add(PEER);
        server.lookAgain();
      }
    })();
    await expect(work).rejects.toMatchObject({ code: 'unauthenticated' });
    await until(() => seen.ended, { what: 'the watch of the forgotten node to end' });
    await expect(leaving.call('GetStatus', {})).rejects.toMatchObject({ code: 'unauthenticated' });
    const before = arrived;
    await until(() => arrived > before, { what: 'the other stream to go on' });
    stop.abort();
    await other;
  });

  it('lives through a renewal of both certificates, while new connections use the new ones', async () => {
    endless();
    const own = new IdentityKeeper(await identity(PEER));
    const peer = experimental.createCertificateProviderChannelCredentials(own, own, {
      checkServerIdentity: checkNodeIdentity(SERVER),
    });
    const stop = new AbortController();
    let arrived = 0;
    const work = (async () => {
      for await (const event of client(peer).stream('Watch', { kinds: [], labels: [] }, stop.signal)) {
        if (event.kind !== '') arrived++;
      }
    })();
    await until(() => arrived > 0, { what: 'the stream' });
    const renewed = await identity(SERVER);
    keeper.replace(renewed);
    own.replace(await identity(PEER));
    const before = arrived;
    const seen: string[] = [];
    const late = credentials.createSsl(Buffer.from(authority.certificate), null, null, {
      checkServerIdentity: (_host, { raw }) => {
        seen.push(raw.toString('base64'));
        return undefined;
      },
    });
    await expect(client(late).call('GetStatus', {})).rejects.toMatchObject({ code: 'unauthenticated' });
    expect(renewed.cert.replace(/\s/g, '')).toContain(seen[0]);
    await until(() => arrived > before, { what: 'the stream to go on' });
    stop.abort();
    await work;
  });
});
