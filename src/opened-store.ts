/** The store as this host reaches it: an etcd that weftd runs here and looks after, or one that others run. */
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { hostPort } from './model/address/address.ts';
import { Revocation } from './revocation.ts';
import { openEtcdStore } from './store/etcd.ts';
import type { RemoteStore } from './store/etcd.ts';
import { lineageFile } from './store/lineage-file.ts';
import { ensureManagedEtcd } from './store/managed/etcd.ts';
import { Maintenance } from './store/managed/maintenance.ts';
import { unitOf } from './store/managed/unit.ts';
import { Upkeep } from './store/managed/upkeep.ts';
import { createAuthority, issueMemberCertificate } from './trust/authority.ts';
import { signRevocations } from './trust/certificate.ts';
import type { IdentityKeeper } from './trust/keeper.ts';
import type { UnderlayFollower } from './underlay-follower.ts';

const ETCD_PORT = 2379;

interface Host {
  config: Config;
  log: Logger;
  underlay: UnderlayFollower;
  signal: AbortSignal;
}

export interface OpenedStore {
  store: RemoteStore;
  /** by which other hosts reach it */
  endpoints: () => string[];
  /** of the etcd that this host runs */
  upkeep: Upkeep | undefined;
  /** tells that etcd which certificates count no more */
  revocationOf: ((revoked: () => string[]) => Revocation) | undefined;
}

export async function openStore(host: Host, identity: IdentityKeeper): Promise<OpenedStore> {
  const { config, log } = host;
  const managed = config.store.mode === 'managed';
  const { upkeep, revocationOf } = managed ? await startEtcd(host, identity) : {};
  const endpoints = upkeep ? [upkeep.endpoint] : [...config.store.endpoints];
  // An external etcd 3.4 throws off clients that ask more often than every 5 s.
  const keeper = lineageFile(`${config.state}/lineage.json`);
  const tls = () => identity.current.client;
  const store = await openEtcdStore({ endpoints, tls, keepaliveMs: managed ? 1_500 : 6_000, keeper, log });
  const reached = () => (managed ? [`https://${hostPort(host.underlay.current.address, ETCD_PORT)}`] : endpoints);
  return { store, endpoints: reached, upkeep, revocationOf };
}

async function startEtcd(
  { config, underlay, log, signal }: Host,
  identity: IdentityKeeper,
): Promise<Pick<OpenedStore, 'upkeep' | 'revocationOf'>> {
  const authority = await createAuthority(config.pki);
  const { name } = config.node;
  const issueMember = (key: string | undefined) =>
    issueMemberCertificate(authority, { name, addresses: [underlay.current.address], key });
  const quota = config.store.quota * 1024 ** 2;
  const etcd = await ensureManagedEtcd({
    dataDir: `${config.state}/etcd`,
    binary: config.store.binary,
    unit: await unitOf(config),
    name,
    address: underlay.current.address,
    issueMember,
    revocations: await signRevocations(authority.signer, [], authority.now()),
    quota,
    log,
    signal,
  });
  underlay.onChange(({ address }) => etcd.move(address));
  const upkeep = new Upkeep({
    maintenance: new Maintenance(etcd.endpoint, () => identity.current.client),
    folder: `${config.state}/backups`,
    keep: config.store.snapshots,
    quota,
    renew: () => etcd.renew(),
    now: () => new Date(),
    log,
  });
  return { upkeep, revocationOf: (revoked) => new Revocation({ authority, etcd, revoked, log }) };
}
