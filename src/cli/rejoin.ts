/**
 * A host that is no longer taken for the node it was (forgotten, restored from an old disk, a copy of another) becomes a node
 * anew: another id, an empty journal. The old journal is kept beside it. What the host held before goes to others once all
 * nodes have forgotten it, so its endpoints do not come with it.
 */
import { X509Certificate } from 'node:crypto';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { lockStopped } from '../host.ts';
import { putJournalAside } from '../journal.ts';
import { toWeftError, WeftError } from '../model/errors.ts';
import { loadIdentity } from '../trust/identity.ts';
import { parseToken, pinOf } from '../trust/token.ts';
import { enroll } from './join.ts';
import type { Joined } from './join.ts';

export interface RejoinOptions {
  /** HOST or HOST:PORT */
  host: string;
  token: string;
  /** undefined: as it was called before */
  name: string | undefined;
  /** weft.yaml */
  file: string;
  /** what weftd makes of it: where certificates and state are */
  config: Pick<Config, 'pki' | 'state' | 'run' | 'node'>;
}

export interface Rejoined extends Omit<Joined, 'already'> {
  name: string;
  /** id of the node that the host was; '' when it had lost its identity */
  before: string;
  /** where its journal is kept; '' when there was none */
  journal: string;
}

/** @throws WeftError `already-running` while weftd runs, and whatever a join may meet */
export async function rejoinCluster(options: RejoinOptions): Promise<Rejoined> {
  const { pki, state } = options.config;
  const token = parseToken(options.token);
  await refuseAuthority(pki);
  const lock = await lockStopped(options.config).catch((error: unknown) => {
    throw new WeftError('already-running', 'weftd runs on this host', { next: 'systemctl stop weftd', cause: error });
  });
  try {
    const known = await loadIdentity(pki);
    if (known && pinOf(new X509Certificate(known.ca)) !== token.pin) {
      const next = `to change clusters: rm -r ${pki}, then weft node join`;
      throw new WeftError('already-joined', `${pki} belongs to another cluster`, { object: pki, next });
    }
    const before = known?.nodeId ?? '';
    const name = options.name ?? options.config.node.name;
    let journal: string | undefined;
    const joined = await enroll(
      { host: options.host, token: options.token, name, pki, config: options.file, rename: options.name !== undefined },
      token,
      async () => {
        journal = await putJournalAside(state, before || 'nobody');
      },
    ).catch((error: unknown) => {
      throw nameHeld(error, name);
    });
    return { ...joined, name, before, journal: journal ?? '' };
  } finally {
    await lock.close();
  }
}

/** Certificates of all nodes hang on that key: a second host with it would be a second cluster of the same name. */
async function refuseAuthority(pki: string): Promise<void> {
  const key = join(pki, 'ca.key');
  const holds = await access(key).then(
    () => true,
    () => false,
  );
  if (!holds) return;
  throw new WeftError('not-supported', `this host holds the CA of its cluster (${key}), which cannot forget it`, {
    object: key,
    next: `on a copy of that host: stop weftd and its etcd, rm -r ${pki}, then weft node join`,
  });
}

function nameHeld(error: unknown, name: string): unknown {
  const failure = toWeftError(error);
  if (failure.code !== 'name-taken') return error;
  return new WeftError('name-taken', failure.message, {
    object: name,
    next: `if this host was ${name}: weft node forget ${name}, on another host; else give --name`,
  });
}
