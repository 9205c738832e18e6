/**
 * A managed etcd goes back to a snapshot: into a data directory of its own first, which then takes the place of the old one;
 * the old one is kept. The restored etcd has another cluster id, by which every node knows that the history it followed is
 * not the one it now sees.
 */
import { execFile } from 'node:child_process';
import { readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { ulid } from 'ulid';
import { WeftError, describeCause } from '../../model/errors.ts';
import { DetachedEtcd } from './detached.ts';
import { ownedDirectory, syncDirectory } from './files.ts';
import { verifySnapshot } from './snapshot.ts';
import type { Supervisor } from './supervisor.ts';

export interface RestoreOptions {
  file: string;
  /** of the managed etcd; nothing may start one there meanwhile */
  dataDir: string;
  unit: Supervisor | undefined;
  /** for the directory that is kept */
  now: Date;
}

/** From 3.5 on the first, before that the second does it; both are etcd's own. */
const TOOLS = ['etcdutl', 'etcdctl'];
/** milliseconds */
const RESTORE_DEADLINE = 1_800_000;
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Resolves to where the old data is; etcd is down afterwards. Up to the exchange at the end, nothing has changed. */
export async function restoreSnapshot({ file, dataDir, unit, now }: RestoreOptions): Promise<{ kept: string }> {
  await verifySnapshot(file);
  const configuration = join(dataDir, 'etcd.yaml');
  const member = await readMember(configuration);
  const restored = join(dataDir, 'data.restored');
  await rm(restored, { recursive: true, force: true });
  await unpack(file, restored, member);
  await ownedDirectory(restored, unit?.owner);
  await unit?.stop();
  await new DetachedEtcd({ dataDir, configuration, binary: '' }).stop();
  const kept = join(dataDir, `data.before-${now.toISOString().replaceAll(/[-:]|\.\d+/g, '')}`);
  await rename(member.dataDirectory, kept).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  });
  await rename(restored, member.dataDirectory);
  await syncDirectory(dirname(member.dataDirectory));
  return { kept };
}

interface Member {
  name: string;
  peerUrl: string;
  dataDirectory: string;
}

async function readMember(configuration: string): Promise<Member> {
  try {
    const settings = JSON.parse(await readFile(configuration, 'utf8')) as Record<string, string>;
    const { name, 'initial-advertise-peer-urls': peerUrl, 'data-dir': dataDirectory } = settings;
    if (name && peerUrl && dataDirectory) return { name, peerUrl, dataDirectory };
    throw new Error('it is not one that weftd wrote');
  } catch (cause) {
    throw new WeftError('restore-refused', `${configuration}: ${describeCause(cause)}`, {
      object: configuration,
      next: 'start weftd once on this host, with store.mode managed, stop it, and repeat the command',
    });
  }
}

async function unpack(file: string, into: string, { name, peerUrl }: Member): Promise<void> {
  const args = [
    ...['snapshot', 'restore', file, '--data-dir', into, '--name', name, '--initial-cluster', `${name}=${peerUrl}`],
    ...['--initial-advertise-peer-urls', peerUrl, '--initial-cluster-token', `weft-${ulid()}`],
  ];
  for (const tool of TOOLS) {
    try {
      await promisify(execFile)(tool, args, { timeout: RESTORE_DEADLINE, env: { PATH, ETCDCTL_API: '3' } });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      await rm(into, { recursive: true, force: true });
      throw new WeftError(
        'snapshot-invalid',
        `${tool} cannot restore ${file}: ${describeCause(error).slice(0, 1_000)}`,
        {
          object: file,
        },
      );
    }
  }
  throw new WeftError('restore-refused', `neither ${TOOLS.join(' nor ')} is installed`, {
    next: 'apt-get install etcd-client',
  });
}
