/**
 * `weft store` speaks to etcd itself, with this node's certificate: backups and a look at etcd must work while weftd is down,
 * and a restore only works then. Who can read the certificate is root, who can do all of it anyway.
 */
import { readFile } from 'node:fs/promises';
import { loadConfig } from '../config.ts';
import type { Config } from '../config.ts';
import { WeftError } from '../model/errors.ts';
import type { TlsFiles } from '../store/channel.ts';
import { Maintenance } from '../store/managed/maintenance.ts';
import type { MemberStatus } from '../store/managed/maintenance.ts';
import { loadIdentity } from '../trust/identity.ts';

export interface StoreAccess {
  config: Config;
  /** the first member that answers; to be closed */
  maintenance: Maintenance;
  status: MemberStatus;
  tls: () => TlsFiles;
}

export function readConfig(path: string | undefined): Promise<Config> {
  const file = { path: path ?? '/etc/weft/weft.yaml', required: path !== undefined };
  return loadConfig({ file, environment: process.env, flags: {} });
}

export async function openStoreAccess(config: Config): Promise<StoreAccess> {
  const identity = await loadIdentity(config.pki);
  if (!identity) {
    throw new WeftError('configuration-invalid', `${config.pki} holds no certificate for this node`, {
      object: config.pki,
      next: 'weft node join HOST:7781 --token TOKEN, or start weftd on the first host',
    });
  }
  const tls = () => identity.client;
  let failure: unknown;
  for (const endpoint of await endpointsOf(config)) {
    const maintenance = new Maintenance(endpoint, tls);
    try {
      return { config, maintenance, status: await maintenance.status(), tls };
    } catch (error) {
      maintenance.close();
      failure = error;
    }
  }
  throw failure;
}

/** A managed etcd listens where its configuration says, and on loopback always. */
async function endpointsOf({ store, state }: Config): Promise<string[]> {
  if (store.mode === 'external') return [...store.endpoints];
  try {
    const text = await readFile(`${state}/etcd/etcd.yaml`, 'utf8');
    const { 'listen-client-urls': urls } = JSON.parse(text) as Record<string, string>;
    return [urls?.split(',')[0] ?? 'https://127.0.0.1:2379'];
  } catch {
    return ['https://127.0.0.1:2379'];
  }
}
