/** The journal of this node on this host. */
import { rename } from 'node:fs/promises';
import type { Logger } from 'pino';
import { machineId } from './host.ts';
import type { Journal } from './store/journal/port.ts';
import { openJournal } from './store/journal/journal.ts';
import { nodeFiles } from './store/journal/node-files.ts';

export interface NodeJournalOptions {
  /** directory of the daemon's state */
  state: string;
  node: { id: string; bootId: string };
  log: Logger;
}

/** A journal that another node's identity wrote, before this host joined anew, is put aside and never read. */
export async function openNodeJournal({ state, node, log }: NodeJournalOptions): Promise<Journal> {
  const directory = `${state}/journal`;
  const header = { node: node.id, machineId: machineId(), bootId: node.bootId, epoch: 1 };
  const open = () => openJournal({ directory, files: nodeFiles, header, log });
  const journal = await open();
  if (journal.header.node === node.id) return journal;
  await journal.close();
  const aside = `${directory}-of-${journal.header.node}`;
  log.warn({ aside }, 'the journal of a former identity of this host is put aside');
  await rename(directory, aside);
  return open();
}
