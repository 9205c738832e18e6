/** A managed etcd and the list of certificates that count no more. */
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Revocation } from '../../src/revocation.ts';
import { openEtcdStore } from '../../src/store/etcd.ts';
import { silentLog } from '../../src/store/log.ts';
import { ensureManagedEtcd } from '../../src/store/managed/etcd.ts';
import type { ManagedEtcd, ManagedEtcdOptions } from '../../src/store/managed/etcd.ts';
import type { Store } from '../../src/store/port.ts';
import { createAuthority, issueClientCertificate, issueMemberCertificate } from '../../src/trust/authority.ts';
import type { Authority, Credentials } from '../../src/trust/authority.ts';
import { signRevocations } from '../../src/trust/certificate.ts';
import { freePort, hasEtcd } from '../support/etcd.ts';
import { fakeUnit } from '../support/fake-systemd.ts';
import { until } from '../support/until.ts';

describe.skipIf(!hasEtcd).each(['detached', 'unit'] as const)('a managed etcd, kept by %s', (kind) => {
  let directory = '';
  let authority: Authority;
  let options: ManagedEtcdOptions;
  let etcd: ManagedEtcd;
  let daemon = new AbortController();
  let lost: Credentials;
  let kept: Credentials;
  let revoked: string[] = [];
  const stores: Store[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'weft-revoked-'));
    authority = await createAuthority(join(directory, 'pki'));
    lost = await issueClientCertificate(authority, { nodeId: '01JD0000000000000000000001' });
    kept = await issueClientCertificate(authority, { nodeId: '01JD0000000000000000000002' });
    options = {
      ...{ name: 'host1', address: '127.0.0.1', clientPort: await freePort(), peerPort: await freePort() },
      dataDir: join(directory, 'etcd'),
      issueMember: (key) => issueMemberCertificate(authority, { name: 'host1', addresses: ['127.0.0.1'], key }),
      revocations: await signRevocations(authority.signer, [], new Date()),
      log: silentLog,
      signal: daemon.signal,
    };
    if (kind === 'unit') options.unit = await fakeUnit(join(directory, 'systemd'), options.dataDir);
    etcd = await ensureManagedEtcd(options);
  });
  afterAll(async () => {
    for (const store of stores) await store.close();
    await etcd.stop();
    await rm(directory, { recursive: true, force: true });
  });

  async function open(tls: Credentials): Promise<Store> {
    const store = await openEtcdStore({ endpoints: [etcd.endpoint], tls, keepaliveMs: 1_000 });
    stores.push(store);
    return store;
  }

  const update = () =>
    new Revocation({ authority, etcd, revoked: () => revoked, log: pino({ level: 'silent' }) }).update();
  const answers = (store: Store) =>
    store.get('a', { deadline: 2_000 }).then(
      () => true,
      () => false,
    );

  it('answers all whose certificates count, and is left alone while nothing changes', async () => {
    const [one, other] = [await open(lost), await open(kept)];
    for (const store of [one, other]) await until(() => answers(store), { what: 'etcd to answer' });
    await other.transact({ compare: [], then: [{ put: 'a', value: 1 }] });
    const pid = etcd.pid();
    await update();
    expect(etcd.pid()).toBe(pid);
  });

  it('ends the connections of a revoked one and refuses new ones; others go on', async () => {
    const [standing, other] = stores as [Store, Store];
    const pid = etcd.pid();
    revoked = [new X509Certificate(lost.cert).serialNumber];
    await update();
    await until(() => answers(other), { deadline: 15_000, what: 'etcd to answer again' });
    expect((await other.get('a')).entry?.value).toBe(1);
    expect(etcd.pid()).not.toBe(pid);
    expect(await answers(standing)).toBe(false);
    expect(await answers(await open(lost))).toBe(false);
    expect(await answers(await open(kept))).toBe(true);
  });

  it('keeps the list over restarts of weftd, and is not restarted for what it knows', async () => {
    const pid = etcd.pid();
    daemon.abort();
    daemon = new AbortController();
    etcd = await ensureManagedEtcd({ ...options, signal: daemon.signal });
    await update();
    revoked = [];
    await update();
    expect(etcd.pid()).toBe(pid);
    expect(await answers(await open(lost))).toBe(false);
  });

  it('is given another list for one that was damaged, by which it lets in nobody', async () => {
    const path = join(options.dataDir, 'tls', 'revoked.crl');
    const whole = await etcd.revocations();
    await writeFile(path, whole.slice(0, 80));
    expect(await answers(await open(kept))).toBe(false);
    revoked = [new X509Certificate(lost.cert).serialNumber];
    await update();
    const late = await open(kept);
    await until(() => answers(late), { deadline: 15_000, what: 'etcd to answer again' });
    expect(await answers(await open(lost))).toBe(false);
  });
});
