/** What /proc tells of processes: who is alive, stopped, one of ours. */
import { readdir, readFile } from 'node:fs/promises';
import type { ProcessId } from './state.ts';

/** Every process of a lab has this in its environment, so that `down` finds also those that no state file names. */
export const LAB_VARIABLE = 'WEFT_LAB';

export interface ProcessStatus {
  /** clock ticks since boot */
  started: string;
  /** R, S, D, T (stopped), Z... */
  state: string;
}

/** undefined when there is no such process; `proc` is another pid namespace's /proc. A zombie counts as gone. */
export async function processStatus(pid: number, proc = '/proc'): Promise<ProcessStatus | undefined> {
  const text = await readFile(`${proc}/${pid}/stat`, 'utf8').catch(() => undefined);
  // the command's name is in brackets and may itself hold brackets and blanks
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
  const state = fields?.[0];
  const started = fields?.[19];
  if (state === undefined || started === undefined || state === 'Z' || state === 'X') return undefined;
  return { state, started };
}

export async function isRunning(process: ProcessId | undefined): Promise<boolean> {
  if (process === undefined) return false;
  return (await processStatus(process.pid))?.started === process.started;
}

/** None of its threads runs: a halt reaches them one by one, and the others go on meanwhile. True when it is gone. */
export async function isHalted(pid: number, proc = '/proc'): Promise<boolean> {
  const threads = await processIds(`${proc}/${pid}/task`).catch(() => []);
  const statuses = await Promise.all(threads.map((thread) => processStatus(thread, `${proc}/${pid}/task`)));
  return statuses.every((status) => status === undefined || status.state === 'T');
}

export async function processIds(proc = '/proc'): Promise<number[]> {
  return (await readdir(proc)).filter((name) => /^\d+$/.test(name)).map(Number);
}

/** The name of its program; '' when it is gone. */
export async function commandOf(pid: number): Promise<string> {
  return (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')).trimEnd();
}

/** Pids, save our own, of all that was started for this lab and lives. */
export async function processesOfLab(lab: string): Promise<number[]> {
  const entry = `${LAB_VARIABLE}=${lab}`;
  const found = await Promise.all(
    (await processIds()).map(async (pid) => {
      const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
      return environment.split('\0').includes(entry) && (await processStatus(pid)) !== undefined ? [pid] : [];
    }),
  );
  return found.flat().filter((pid) => pid !== process.pid);
}
