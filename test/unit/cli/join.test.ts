/** `weft node join` against a node's API: what it tells whom, and what it leaves on disk. */
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { startTcpServer } from '../../../src/api/tcp-server.ts';
import type { TcpServer } from '../../../src/api/tcp-server.ts';
import { joinCluster } from '../../../src/cli/join.ts';
import { rejoinCluster } from '../../../src/cli/rejoin.ts';
import { lockStopped } from '../../../src/host.ts';
import { WeftError } from '../../../src/model/errors.ts';
import { newId } from '../../../src/model/names.ts';
import { certifyNode, createAuthority, issueNodeCertificate } from '../../../src/trust/authority.ts';
import type { Authority } from '../../../src/trust/authority.ts';
import { loadIdentity, saveIdentity } from '../../../src/trust/identity.ts';
import { IdentityKeeper } from '../../../src/trust/keeper.ts';
import { formatToken, makeToken } from '../../../src/trust/token.ts';
import { fakeControl } from '../../support/fake-control.ts';

const JOINED = newId();
const ENDPOINTS = ['https://192.0.2.1:2379'];
let folder: string;
let authority: Authority;
let control: ReturnType<typeof fakeControl>;
let server: TcpServer | undefined;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weft-join-'));
  authority = await createAuthority(join(folder, 'ca'));
  control = fakeControl();
  control.join.mockImplementation(async ({ name, nodeCsr, clientCsr }) => {
    const node = { nodeId: JOINED, name, addresses: [] };
    const issued = await certifyNode(authority, node, { node: nodeCsr, client: clientCsr });
    const certificates = { nodeCertificate: issued.node, clientCertificate: issued.client };
    return { nodeId: JOINED, ca: authority.certificate, ...certificates, storeEndpoints: ENDPOINTS };
  });
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  rmSync(folder, { recursive: true });
});

/** A node whose certificate this authority issued. */
async function serve(issuer = authority): Promise<string> {
  const issued = await issueNodeCertificate(issuer, { nodeId: newId(), name: 'host1', addresses: [] });
  await saveIdentity(join(folder, 'server'), { ...issued, ca: issuer.certificate }, issued);
  const keeper = new IdentityKeeper((await loadIdentity(join(folder, 'server')))!);
  server = await startTcpServer({
    ...{ address: '127.0.0.1', port: 0, control, nodeName: 'host1', log: pino({ level: 'silent' }) },
    certificates: keeper,
    identify: () => {
      throw new WeftError('unauthenticated', 'nobody');
    },
  });
  return `127.0.0.1:${server.port}`;
}

const pki = () => join(folder, 'pki');
const config = () => join(folder, 'weft.yaml');
const newToken = () => formatToken(makeToken(authority.certificate));
const joining = (host: string, token = newToken()) =>
  joinCluster({ host, token, name: 'host2', pki: pki(), config: config() });
const isThere = async (path: string) => (await readdir(folder)).includes(path);

describe('weft node join', () => {
  it('leaves a whole identity, and what weftd needs to find etcd', async () => {
    const host = await serve();
    expect(await joining(host)).toEqual({ nodeId: JOINED, already: false });
    const identity = (await loadIdentity(pki()))!;
    expect([identity.nodeId, identity.ca.trim()]).toEqual([JOINED, authority.certificate.trim()]);
    expect((await stat(join(pki(), 'node.key'))).mode & 0o777).toBe(0o600);
    expect(parse(await readFile(config(), 'utf8'))).toEqual({
      store: { mode: 'external', endpoints: ENDPOINTS },
      node: { name: 'host2' },
    });
    // keys were made here: what was sent holds none
    expect(JSON.stringify(control.join.mock.calls[0]![0])).not.toContain('PRIVATE KEY');
    expect(await joining(host)).toEqual({ nodeId: JOINED, already: true });
    expect(control.join).toHaveBeenCalledOnce();
  });

  it('keeps its secret from a host of another cluster', async () => {
    const other = await createAuthority(join(folder, 'other'));
    await expect(joining(await serve(other))).rejects.toMatchObject({ code: 'pin-mismatch' });
    expect(control.join).not.toHaveBeenCalled();
    expect(await isThere('pki')).toBe(false);
  });

  it('keeps its secret from a host that shows the right CA with a certificate of another', async () => {
    const other = await createAuthority(join(folder, 'other'));
    const issued = await issueNodeCertificate(other, { nodeId: newId(), name: 'host1', addresses: [] });
    const identity = { ...issued, ca: authority.certificate, nodeId: newId() };
    const times = { notBefore: new Date(0), notAfter: new Date() };
    server = await startTcpServer({
      ...{ address: '127.0.0.1', port: 0, control, nodeName: 'host1', log: pino({ level: 'silent' }) },
      certificates: new IdentityKeeper({ ...identity, ...times, client: identity }),
      identify: () => '',
    });
    await expect(joining(`127.0.0.1:${server.port}`)).rejects.toMatchObject({ code: 'pin-mismatch' });
    expect(control.join).not.toHaveBeenCalled();
  });

  it('names both clocks when they are too far apart', async () => {
    authority = await createAuthority(join(folder, 'early'), () => new Date('2001-01-01T00:00:00Z'));
    await expect(joining(await serve())).rejects.toMatchObject({
      code: 'clock-skew',
      message: expect.stringContaining('2000-12-31T00:00:00.000Z to 2010-12-30T00:00:00.000Z') as string,
    });
    expect(control.join).not.toHaveBeenCalled();
  });

  it('says that nobody answers, or nothing that speaks TLS', async () => {
    const mute = createServer((socket) => socket.resume().end('220 hello\r\n'));
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const { port } = mute.address() as AddressInfo;
    await expect(joining(`127.0.0.1:${port}`)).rejects.toMatchObject({ code: 'peer-away' });
    await new Promise((resolve) => mute.close(resolve));
    await expect(joining(`127.0.0.1:${port}`)).rejects.toMatchObject({ code: 'peer-away', object: '127.0.0.1' });
  });

  it('changes no configuration in silence', async () => {
    const host = await serve();
    await writeFile(config(), '# ours\nstore: { mode: managed }\n');
    await expect(joining(host)).rejects.toMatchObject({ code: 'configuration-invalid', object: 'store' });
    expect(control.join).not.toHaveBeenCalled();
    await writeFile(config(), '# ours\nstore: { mode: external, endpoints: ["https://etcd.example:2379"] }\n');
    expect((await joining(host)).note).toContain('keeps its own store.endpoints');
    expect(await readFile(config(), 'utf8')).toMatch(/^# ours\nstore:.*etcd\.example/);
  });

  it('is refused on a host of another cluster', async () => {
    const host = await serve();
    await joining(host);
    const other = await createAuthority(join(folder, 'other'));
    const token = formatToken(makeToken(other.certificate));
    await expect(joining(host, token)).rejects.toMatchObject({ code: 'already-joined' });
  });
});

describe('weft node rejoin', () => {
  const NAME = 'host2';
  const again = newId();
  const paths = () => ({ pki: pki(), state: join(folder, 'state'), run: join(folder, 'run'), node: { name: NAME } });
  const rejoining = (host: string, name?: string) =>
    rejoinCluster({ host, token: newToken(), name, file: config(), config: paths() });
  const journalOf = async (path: string) => readFile(join(path, 'log'), 'utf8');

  /** A host that is JOINED, with something in its journal; the next join gives another id. */
  async function member(): Promise<string> {
    const host = await serve();
    await joining(host);
    await mkdir(join(folder, 'state/journal'), { recursive: true });
    await writeFile(join(folder, 'state/journal/log'), 'what it owned');
    control.join.mockImplementation(async ({ name, nodeCsr, clientCsr }) => {
      const issued = await certifyNode(
        authority,
        { nodeId: again, name, addresses: [] },
        { node: nodeCsr, client: clientCsr },
      );
      const certificates = { nodeCertificate: issued.node, clientCertificate: issued.client };
      return { nodeId: again, ca: authority.certificate, ...certificates, storeEndpoints: ENDPOINTS };
    });
    return host;
  }

  it('gives the host another id and an empty journal, and keeps the old one', async () => {
    const joined = await rejoining(await member());
    const kept = join(folder, `state/journal-of-${JOINED}`);
    expect(joined).toEqual({ nodeId: again, name: NAME, before: JOINED, journal: kept });
    expect((await loadIdentity(pki()))?.nodeId).toBe(again);
    expect(await journalOf(kept)).toBe('what it owned');
    expect(await readdir(join(folder, 'state'))).toEqual([`journal-of-${JOINED}`, 'lock']);
  });

  it('changes nothing while weftd runs, or when the cluster refuses', async () => {
    const host = await member();
    const lock = await lockStopped(paths());
    await expect(rejoining(host)).rejects.toMatchObject({ code: 'already-running', next: 'systemctl stop weftd' });
    await lock.close();
    control.join.mockRejectedValueOnce(new WeftError('name-taken', `another node is called "${NAME}"`));
    await expect(rejoining(host)).rejects.toMatchObject({
      code: 'name-taken',
      next: expect.stringContaining(`weft node forget ${NAME}`) as string,
    });
    expect((await loadIdentity(pki()))?.nodeId).toBe(JOINED);
    expect(await journalOf(join(folder, 'state/journal'))).toBe('what it owned');
  });

  it('takes a name of its own for a copy of another host', async () => {
    await rejoining(await member(), 'host3');
    expect(parse(await readFile(config(), 'utf8'))).toMatchObject({ node: { name: 'host3' } });
  });

  it('is refused to the host that holds the CA', async () => {
    const host = await member();
    await writeFile(join(pki(), 'ca.key'), 'x');
    await expect(rejoining(host)).rejects.toMatchObject({ code: 'not-supported' });
  });
});

describe('the lock of a state directory', () => {
  it('keeps two daemons apart whose run directories differ, and is free again when one has gone', async () => {
    const at = (run: string) => ({ run: join(folder, run), state: join(folder, 'state') });
    const first = await lockStopped(at('one'));
    await expect(lockStopped(at('two'))).rejects.toMatchObject({
      code: 'already-running',
      message: expect.stringContaining(`pid ${process.pid}, ${join(folder, 'one')}`) as string,
    });
    await first.close();
    await (await lockStopped(at('two'))).close();
  });
});
