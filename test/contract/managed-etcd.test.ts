import { X509Certificate, createPrivateKey } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openEtcdStore } from '../../src/store/etcd.ts';
import { silentLog } from '../../src/store/log.ts';
import { ensureManagedEtcd, type ManagedEtcd, type ManagedEtcdOptions } from '../../src/store/managed/etcd.ts';
import { markOf } from '../../src/store/managed/process.ts';
import type { Store } from '../../src/store/port.ts';
import { createAuthority, issueClientCertificate, issueMemberCertificate } from '../../src/trust/authority.ts';
import { freePort, hasEtcd } from '../support/etcd.ts';
import { fakeUnit } from '../support/fake-systemd.ts';
import { until } from '../support/until.ts';

const NODE = '01JD0000000000000000000001';

describe.skipIf(!hasEtcd).each(['detached', 'unit'] as const)('a managed etcd, kept by %s', (kind) => {
  /** What one of the two does only. */
  const only = (which: typeof kind) => (kind === which ? it : () => undefined);
  let directory = '';
  let options: ManagedEtcdOptions;
  let etcd: ManagedEtcd;
  let daemon = new AbortController();
  let addresses = ['127.0.0.1'];

  /** What a new weftd does in place of one that was killed. */
  async function restartDaemon(changes: Partial<ManagedEtcdOptions> = {}): Promise<void> {
    daemon.abort();
    daemon = new AbortController();
    etcd = await ensureManagedEtcd({ ...options, signal: daemon.signal, ...changes });
    // a unit is started without waiting for its process
    await until(() => etcd.pid() !== undefined, { what: 'etcd to have a process' });
  }

  async function credentials(of: string): Promise<{ ca: string; cert: string; key: string }> {
    return issueClientCertificate(await createAuthority(join(directory, of)), { nodeId: NODE });
  }

  async function withStore<T>(
    tls: { ca: string; cert: string; key: string } | undefined,
    use: (store: Store) => Promise<T>,
  ) {
    const endpoint = tls ? etcd.endpoint : etcd.endpoint.replace('https:', 'http:');
    const store = await openEtcdStore({ endpoints: [endpoint], ...(tls && { tls }), keepaliveMs: 1_000 });
    try {
      return await use(store);
    } finally {
      await store.close();
    }
  }

  const isUp = (store: Store) => until(() => store.state() === 'ok', { deadline: 15_000, what: 'etcd to answer' });

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'weft-managed-'));
    const authority = await createAuthority(join(directory, 'pki'));
    options = {
      name: 'host1',
      address: '127.0.0.1',
      clientPort: await freePort(),
      peerPort: await freePort(),
      dataDir: join(directory, 'etcd'),
      issueMember: (key) => issueMemberCertificate(authority, { name: 'host1', addresses, key }),
      log: silentLog,
      signal: daemon.signal,
    };
    if (kind === 'unit') options.unit = await fakeUnit(join(directory, 'systemd'), options.dataDir);
    etcd = await ensureManagedEtcd(options);
  });

  afterAll(async () => {
    await etcd.stop();
    await rm(directory, { recursive: true, force: true });
  });

  it('serves clients that have a certificate of the cluster', async () => {
    await withStore(await credentials('pki'), async (store) => {
      await isUp(store);
      await store.transact({ compare: [], then: [{ put: 'a', value: 1 }] });
      expect((await store.get('a')).entry?.value).toBe(1);
    });
  });

  it('refuses clients in clear, and clients of another cluster', async () => {
    const { ca } = await credentials('pki');
    const foreign = { ...(await credentials('other')), ca };
    for (const tls of [undefined, foreign]) {
      await withStore(tls, async (store) => {
        await expect(store.get('a', { deadline: 1_000 })).rejects.toMatchObject({ code: 'store-away' });
      });
    }
  });

  it('listens in clear nowhere', async () => {
    for (const port of [options.clientPort, options.peerPort]) {
      const url = `http://127.0.0.1:${port}/metrics`;
      const answered = await fetch(url, { signal: AbortSignal.timeout(3_000) }).then(
        (response) => response.ok,
        () => false,
      );
      expect(answered).toBe(false);
    }
  });

  it('keeps its files to their owner', async () => {
    const own = kind === 'detached' ? ['etcd.log', 'etcd.pid'] : [];
    for (const name of ['etcd.yaml', 'tls/member.key', ...own]) {
      expect((await stat(join(options.dataDir, name))).mode & 0o777).toBe(0o600);
    }
    expect((await stat(options.dataDir)).mode & 0o777).toBe(0o700);
  });

  it('finds a certificate for the key beside it at every moment of a renewal', async () => {
    const read = (name: string) => readFile(join(options.dataDir, 'tls', name), 'utf8');
    const before = await read('member.crt');
    let renewing = true;
    const renewals = (async () => {
      for (let i = 0; i < 20; i += 1) await etcd.renew();
    })().finally(() => (renewing = false));
    const matches: boolean[] = [];
    while (renewing) {
      const [cert, key] = [await read('member.crt'), await read('member.key')];
      matches.push(new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)));
    }
    await renewals;
    expect(new Set(matches)).toEqual(new Set([true]));
    expect(await read('member.crt')).not.toBe(before);
  });

  it('is in a session that is not ours, and is taken over by the next daemon', async () => {
    const pid = etcd.pid();
    const sessionOf = async (one: number | 'self') =>
      (await readFile(`/proc/${one}/stat`, 'utf8')).split(') ')[1]?.split(' ')[3];
    expect(await sessionOf(pid ?? 0)).not.toBe(await sessionOf('self'));
    await restartDaemon();
    expect(etcd.pid()).toBe(pid);
  });

  only('detached')('is taken over even when its pid file is gone', async () => {
    const pid = etcd.pid();
    await rm(join(options.dataDir, 'etcd.pid'));
    await restartDaemon();
    expect(etcd.pid()).toBe(pid);
  });

  only('detached')('is not mistaken for a process that got its pid later', async () => {
    const before = etcd.pid();
    const mark = JSON.parse(await readFile(join(options.dataDir, 'etcd.pid'), 'utf8')) as Record<string, unknown>;
    expect(mark).toEqual(await markOf(before ?? 0));
    expect(mark).not.toEqual(await markOf(process.pid));
  });

  it('is started again when it was killed, with its data', async () => {
    const before = etcd.pid() ?? 0;
    process.kill(before, 'SIGKILL');
    await until(() => etcd.restarts() === 1 && (etcd.pid() ?? before) !== before, { what: 'another etcd' });
    await withStore(await credentials('pki'), async (store) => {
      await isUp(store);
      expect((await store.get('a')).entry?.value).toBe(1);
    });
  });

  it('moves with its host: reached at the new address, under that name, with its data', async () => {
    const before = etcd.pid();
    addresses = ['127.0.0.9'];
    await etcd.move('127.0.0.9');
    await until(() => (etcd.pid() ?? before) !== before, { what: 'another etcd' });
    const after = etcd.pid();
    // a second telling of the same
    await etcd.move('127.0.0.9');
    expect(etcd.pid()).toBe(after);
    const there = `https://127.0.0.9:${options.clientPort}`;
    const tls = await credentials('pki');
    const store = await openEtcdStore({ endpoints: [there], tls, keepaliveMs: 1_000 });
    await isUp(store).finally(() => store.close());
    await withStore(tls, async (here) => expect((await here.get('a')).entry?.value).toBe(1));
  });

  it('is restarted when its configuration has changed', async () => {
    const before = etcd.pid();
    await restartDaemon({ clientPort: await freePort() });
    expect(etcd.pid()).not.toBe(before);
    await withStore(await credentials('pki'), isUp);
  });

  it('is restarted for a change that counts, and once only', async () => {
    const before = etcd.pid();
    const members = [{ name: 'host1', peerUrl: `https://127.0.0.1:${options.peerPort}` }];
    await restartDaemon({ initialCluster: members, initialClusterState: 'existing' });
    // its certificate changes with every start of weftd, and is read at each handshake
    await restartDaemon();
    addresses = ['127.0.0.1'];
    await restartDaemon();
    const after = etcd.pid();
    // the port of the test before is given up again: one restart
    expect(after).not.toBe(before);
    await restartDaemon();
    expect(etcd.pid()).toBe(after);
  });

  it('is restarted for a change that an earlier weftd wrote and did not live to apply', async () => {
    const before = etcd.pid();
    const path = join(options.dataDir, 'etcd.yaml');
    const wanted = await readFile(path, 'utf8');
    await writeFile(`${path}.changed`, '');
    await restartDaemon();
    expect(etcd.pid()).not.toBe(before);
    expect(await readFile(path, 'utf8')).toBe(wanted);
    const after = etcd.pid();
    await restartDaemon();
    expect(etcd.pid()).toBe(after);
  });

  only('unit')('is not restarted against the will of who stopped the unit, but by the next weftd', async () => {
    const pid = etcd.pid() ?? 0;
    await options.unit?.stop();
    await until(() => etcd.pid() === undefined, { what: 'its end to be seen' });
    expect(await markOf(pid)).toBeUndefined();
    expect(await options.unit?.find()).toBeUndefined();
    await restartDaemon();
    expect(etcd.pid()).toBeDefined();
  });

  only('unit')('moves into the unit from a process that weftd started before', async () => {
    await etcd.stop();
    const detached = await ensureManagedEtcd({ ...options, unit: undefined, signal: daemon.signal });
    const pid = detached.pid() ?? 0;
    await restartDaemon();
    expect(await markOf(pid)).toBeUndefined();
    expect(await options.unit?.find()).toMatchObject({ pid: etcd.pid() });
    await withStore(await credentials('pki'), async (store) => {
      await isUp(store);
      expect((await store.get('a')).entry?.value).toBe(1);
    });
  });

  it('ends by stop, and names what holds its port when started beside it', async () => {
    const pid = etcd.pid() ?? 0;
    await etcd.stop();
    expect(await markOf(pid)).toBeUndefined();
    const other = await listenOn(options.clientPort ?? 0);
    await expect(restartDaemon()).rejects.toThrow(`127.0.0.1:${options.clientPort}`);
    other.close();
    await restartDaemon();
  });

  only('detached')('tells the end of its log when it cannot run', async () => {
    await etcd.stop();
    const whole = options.issueMember;
    const broken = restartDaemon({ issueMember: async (key) => ({ ...(await whole(key)), key: 'none' }) });
    await expect(broken).rejects.toMatchObject({
      code: 'store-away',
      message: expect.stringContaining('key') as string,
    });
    // and is given another for a key that is none
    await restartDaemon();
    await withStore(await credentials('pki'), isUp);
  });
});

/** The port is an ephemeral one: for a moment it may be somebody's own end of a connection. */
async function listenOn(port: number): Promise<Server> {
  let server: Server | undefined;
  const listens = async () => {
    server = createServer().listen(port, '127.0.0.1');
    return once(server, 'listening').then(
      () => true,
      () => false,
    );
  };
  await until(listens, { what: `port ${port} to be free`, deadline: 30_000, every: 200 });
  if (!server) throw new Error('not listening');
  return server;
}
