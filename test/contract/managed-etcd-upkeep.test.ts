/** What weftd does for a managed etcd now and then, on a real one with a small quota. */
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { connect } from 'node:tls';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openEtcdStore } from '../../src/store/etcd.ts';
import { silentLog } from '../../src/store/log.ts';
import { listBackups } from '../../src/store/managed/backups.ts';
import { ensureManagedEtcd, type ManagedEtcd } from '../../src/store/managed/etcd.ts';
import { Maintenance } from '../../src/store/managed/maintenance.ts';
import { saveSnapshot, verifySnapshot } from '../../src/store/managed/snapshot.ts';
import { TURN } from '../../src/store/managed/space.ts';
import { Upkeep } from '../../src/store/managed/upkeep.ts';
import type { Store } from '../../src/store/port.ts';
import type { Authority } from '../../src/trust/authority.ts';
import { createAuthority, issueClientCertificate, issueMemberCertificate } from '../../src/trust/authority.ts';
import { etcdctl, freePort, hasEtcd } from '../support/etcd.ts';
import { until } from '../support/until.ts';

const QUOTA = 16 * 1024 ** 2;
const DAY = 86_400_000;

/** The certificate it shows; it wants one too, but only after that. */
async function handshake(endpoint: string): Promise<{ serialNumber: string }> {
  const { hostname, port } = new URL(endpoint);
  const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false, ALPNProtocols: ['h2'] });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return { serialNumber };
}

describe.skipIf(!hasEtcd)('the upkeep of a managed etcd, with /usr/bin/etcd', () => {
  let directory = '';
  let authority: Authority;
  let etcd: ManagedEtcd;
  let store: Store;
  let maintenance: Maintenance;
  let now = new Date('2026-01-01T00:00:00Z');
  let upkeep: Upkeep;
  let renew = () => Promise.resolve();
  const daemon = new AbortController();

  /** 400 KiB a key. */
  const fill = async (name: string) =>
    store.transact({ compare: [], then: [{ put: name, value: 'x'.repeat(400 * 1024) }] }).then(
      () => true,
      (error: unknown) => {
        if (String(error).includes('database space exceeded')) return false;
        throw error;
      },
    );
  const conditions = () => upkeep.conditions().map(({ type }) => type);

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'weft-upkeep-'));
    authority = await createAuthority(join(directory, 'pki'));
    etcd = await ensureManagedEtcd({
      ...{ name: 'host1', address: '127.0.0.1', clientPort: await freePort(), peerPort: await freePort() },
      dataDir: join(directory, 'etcd'),
      issueMember: (key) => issueMemberCertificate(authority, { name: 'host1', addresses: ['127.0.0.1'], key }),
      quota: QUOTA,
      log: silentLog,
      signal: daemon.signal,
    });
    const client = await issueClientCertificate(authority, { nodeId: '01JD0000000000000000000001' });
    store = await openEtcdStore({ endpoints: [etcd.endpoint], tls: () => client, keepaliveMs: 1_000 });
    maintenance = new Maintenance(etcd.endpoint, () => client);
  });

  afterAll(async () => {
    maintenance.close();
    await store.close();
    daemon.abort();
    await etcd.stop();
    await rm(directory, { recursive: true, force: true });
  });

  beforeEach(() => {
    renew = () => etcd.renew();
    upkeep = new Upkeep({
      ...{ maintenance, folder: join(directory, 'backups'), keep: 3, quota: QUOTA },
      ...{ renew: () => renew(), now: () => now, log: silentLog },
    });
  });

  it('backs it up once a day and keeps the newest', async () => {
    await writeFile(join(directory, 'etcd-notes.txt'), '');
    for (let hour = 0; hour < 5 * 24; hour += 8) {
      await upkeep.round();
      now = new Date(now.getTime() + DAY / 3);
    }
    const names = (await readdir(join(directory, 'backups'))).sort();
    expect(names).toEqual(['etcd-20260103T000000Z.db', 'etcd-20260104T000000Z.db', 'etcd-20260105T000000Z.db']);
    for (const { path, bytes } of await listBackups(join(directory, 'backups'))) {
      expect(await verifySnapshot(path)).toBe(bytes);
      expect((await stat(path)).mode & 0o777).toBe(0o600);
      expect(await etcdctl(['snapshot', 'status', path])).toContain(', ');
    }
    expect(upkeep.conditions()).toEqual([]);
  });

  it('makes none when told so, and says when it cannot', async () => {
    const options = { maintenance, quota: QUOTA, renew, now: () => now, log: silentLog };
    await new Upkeep({ ...options, folder: join(directory, 'none'), keep: 0 }).round();
    expect(await listBackups(join(directory, 'none'))).toEqual([]);
    await writeFile(join(directory, 'file'), '');
    const failing = new Upkeep({ ...options, folder: join(directory, 'file'), keep: 3 });
    await failing.round();
    expect(failing.conditions()).toMatchObject([
      { type: 'backup-failed', message: expect.stringContaining('ENOTDIR') as string },
    ]);
  });

  it('gives it another certificate each day, which its next client sees', async () => {
    const seen = async () => (await handshake(etcd.endpoint)).serialNumber;
    const first = await seen();
    await upkeep.round();
    expect(await seen()).toBe(first);
    now = new Date(now.getTime() + DAY);
    await upkeep.round();
    const second = await seen();
    expect(second).not.toBe(first);
    expect(store.state()).toBe('ok');
    renew = () => Promise.reject(new Error('no key'));
    now = new Date(now.getTime() + DAY);
    await upkeep.round();
    expect(conditions()).toEqual(['certificate-old']);
  });

  it('keeps no part of a snapshot that was cut short', async () => {
    const target = join(directory, 'cut.db');
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(saveSnapshot(maintenance, target, { signal })).rejects.toThrow('enough');
    const later = new AbortController();
    const onProgress = () => later.abort(new Error('enough by now'));
    const begun = saveSnapshot(maintenance, target, { onProgress, signal: later.signal });
    await expect(begun).rejects.toThrow('enough by now');
    expect((await readdir(directory)).filter((name) => name.startsWith('cut'))).toEqual([]);
  });

  it('knows a snapshot that was changed or cut from a whole one', async () => {
    const path = join(directory, 'whole.db');
    const seen: number[] = [];
    const size = await saveSnapshot(maintenance, path, { onProgress: ({ written }) => seen.push(written) });
    expect(seen.at(-1)).toBe(size);
    expect(await verifySnapshot(path)).toBe(size);
    const content = await readFile(path);
    const broken: Record<string, Buffer> = {
      cut: content.subarray(0, size - 512),
      empty: Buffer.alloc(0),
      sumless: content.subarray(0, size - 32),
      changed: Buffer.concat([content.subarray(0, 5_000), Buffer.from('!'), content.subarray(5_001)]),
    };
    for (const [name, bytes] of Object.entries(broken)) {
      await writeFile(join(directory, name), bytes);
      await expect(verifySnapshot(join(directory, name)), name).rejects.toMatchObject({ code: 'snapshot-invalid' });
    }
    await expect(verifySnapshot(join(directory, 'absent'))).rejects.toMatchObject({ code: 'snapshot-invalid' });
  });

  it('gives space back that holds nothing, when it is worth it', async () => {
    const before = await maintenance.status();
    await upkeep.round();
    expect((await maintenance.status()).dbSize).toBe(before.dbSize);
    for (let n = 0; n < 20; n++) await fill(`grow/${n}`);
    await store.transact({ compare: [], then: [{ deletePrefix: 'grow/' }] });
    await maintenance.compact((await maintenance.status()).revision);
    const isFreed = async () => {
      // pages count as free with a later write
      await store.transact({ compare: [], then: [{ put: 'small', value: 1 }] });
      const { dbSize, dbSizeInUse } = await maintenance.status();
      return dbSizeInUse * 4 < dbSize;
    };
    await until(isFreed, { what: 'the freed pages to be counted' });
    const grown = await maintenance.status();
    expect(grown.dbSize).toBeGreaterThan(QUOTA / 4);
    now = new Date(now.getTime() + TURN);
    await upkeep.round();
    expect((await maintenance.status()).dbSize).toBeLessThan(grown.dbSize / 4);
  });

  it('makes room in a full one by giving up history, and has it take writes again', async () => {
    let writes = 0;
    while (await fill('over/and/over')) expect(writes++).toBeLessThan(100);
    expect(await maintenance.alarms()).toMatchObject([{ alarm: 'NOSPACE' }]);
    await upkeep.round();
    expect(await maintenance.alarms()).toEqual([]);
    expect(await fill('over/and/over')).toBe(true);
    expect(conditions()).toEqual([]);
  });

  it('says of one that is full of data what to do, until there is room', async () => {
    // room that an earlier life of the file left is used up first
    for (let n = 0; !conditions().includes('store-full'); n++) {
      expect(n).toBeLessThan(100);
      if (!(await fill(`data/${n}`))) await upkeep.round();
    }
    const since = upkeep.conditions()[0]?.since;
    expect(upkeep.conditions()).toMatchObject([
      { type: 'store-full', object: 'etcd', message: expect.stringContaining('raise store.quota') as string },
    ]);
    now = new Date(now.getTime() + 60_000);
    await upkeep.round();
    expect(upkeep.conditions()[0]?.since).toBe(since);
    // deletes are taken even now
    await store.transact({ compare: [], then: [{ deletePrefix: 'data/' }] });
    await upkeep.round();
    expect(conditions()).toEqual([]);
    expect(await fill('data/again')).toBe(true);
  });
});
