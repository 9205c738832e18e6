/** The journal of this node on this host. */
import { readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { machineId } from './host.ts';
import type { Journal } from './store/journal/port.ts';
import { openJournal } from './store/journal/journal.ts';
import { nodeFiles } from './store/journal/node-files.ts';

const JOURNAL = 'journal';

export interface NodeJournalOptions {
  /** directory of the daemon's state */
  state: string;
  node: { id: string; bootId: string };
  log: Logger;
}

/** A journal that another node's identity wrote, before this host joined anew, is put aside and never read. */
export async function openNodeJournal({ state, node, log }: NodeJournalOptions): Promise<Journal> {
  const directory = join(state, JOURNAL);
  const header = { node: node.id, machineId: machineId(), bootId: node.bootId, epoch: 1 };
  const open = () => openJournal({ directory, files: nodeFiles, header, log });
  const journal = await open();
  if (journal.header.node === node.id) return journal;
  await journal.close();
  const aside = await putJournalAside(state, journal.header.node);
  log.warn({ aside }, 'the journal of a former identity of this host is put aside');
  return open();
}

/** Of the identity `node`; it is kept, and never read again. Returns where it is; undefined when there is none. */
export async function putJournalAside(state: string, node: string): Promise<string | undefined> {
  const taken = new Set(await readdir(state).catch(() => []));
  if (!taken.has(JOURNAL)) return undefined;
  const name = `${JOURNAL}-of-${node}`;
  let aside = name;
  for (let i = 2; taken.has(aside); i++) aside = `${name}-${i}`;
  await rename(join(state, JOURNAL), join(state, aside));
  return join(state, aside);
}
