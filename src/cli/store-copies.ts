/** `weft store snapshot` and `weft store restore`. */
import { createInterface } from 'node:readline/promises';
import type { Config } from '../config.ts';
import { lockStopped } from '../host.ts';
import { WeftError } from '../model/errors.ts';
import { restoreSnapshot } from '../store/managed/restore.ts';
import { saveSnapshot, verifySnapshot, type Progress } from '../store/managed/snapshot.ts';
import { sizeText } from '../store/managed/space.ts';
import { unitOf } from '../store/managed/unit.ts';
import { usage } from './context.ts';
import type { StoreAccess } from './store-access.ts';

export interface Copy {
  path: string;
  bytes: number;
  revision: number;
}

/** Shows how far it is where somebody looks; an interrupt leaves nothing behind. */
export async function takeSnapshot({ maintenance, status }: StoreAccess, path: string): Promise<Copy> {
  const stop = new AbortController();
  const onInterrupt = (): void => stop.abort(new WeftError('not-ready', `${path} was not written: interrupted`));
  const onProgress = ({ written, total }: Progress): void => {
    if (process.stderr.isTTY) process.stderr.write(`\r${sizeText(written)} of ${sizeText(total)} `);
  };
  process.once('SIGINT', onInterrupt);
  try {
    const bytes = await saveSnapshot(maintenance, path, { onProgress, signal: stop.signal });
    return { path, bytes, revision: status.revision };
  } finally {
    process.off('SIGINT', onInterrupt);
    if (process.stderr.isTTY) process.stderr.write('\n');
  }
}

export interface Restored {
  path: string;
  /** where the data from before is */
  kept: string;
  next: string[];
}

export async function restore(config: Config, path: string, { yes }: { yes: boolean }): Promise<Restored> {
  if (config.store.mode === 'external') {
    const next = 'restore it as its own documentation says: etcdctl snapshot restore';
    throw new WeftError('restore-refused', 'the etcd of this host is not managed by weftd', { next });
  }
  await verifySnapshot(path);
  // held to the end: weftd cannot start meanwhile either
  const lock = await lockStopped(config).catch(() => {
    const next = `systemctl stop weftd; weft store restore ${path}; systemctl start weftd`;
    throw new WeftError('restore-refused', 'weftd runs on this host', { next });
  });
  try {
    if (!yes) await confirm(`Replace what etcd holds now by ${path}?`);
    const unit = await unitOf(config);
    const { kept } = await restoreSnapshot({ file: path, dataDir: `${config.state}/etcd`, unit, now: new Date() });
    return { path, kept, next: ['systemctl start weftd', 'weft status', `rm -r ${kept}`] };
  } finally {
    await lock.close();
  }
}

async function confirm(question: string): Promise<void> {
  if (!process.stdin.isTTY) throw usage('nobody can be asked whether to restore', 'repeat the command with --yes');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${question} [y/N] `);
    if (!/^y(es)?$/i.test(answer.trim())) throw usage('not restored');
  } finally {
    terminal.close();
  }
}
