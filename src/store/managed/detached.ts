/** etcd as a process of its own that weftd starts, for hosts without systemd: labs and containers. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { endProcess, findProcess, launch, saveMark, type Launch, type ProcessMark } from './process.ts';
import type { Supervisor } from './supervisor.ts';

const STOP_GRACE = 8_000;

export class DetachedEtcd implements Supervisor {
  readonly kind = 'detached';
  readonly restarts = false;
  readonly owner = undefined;
  readonly log: string;
  readonly #launch: Launch;
  readonly #pidPath: string;

  constructor({ dataDir, binary, configuration }: { dataDir: string; binary: string; configuration: string }) {
    this.log = join(dataDir, 'etcd.log');
    this.#pidPath = join(dataDir, 'etcd.pid');
    this.#launch = { binary, args: ['--config-file', configuration], directory: dataDir, logPath: this.log };
  }

  async find(): Promise<ProcessMark | undefined> {
    const found = await findProcess(this.#pidPath, this.#launch);
    if (found) await saveMark(this.#pidPath, found);
    return found;
  }

  async start(): Promise<ProcessMark | undefined> {
    const mark = await launch(this.#launch);
    if (mark) await saveMark(this.#pidPath, mark);
    return mark;
  }

  async stop(): Promise<void> {
    const found = await this.find();
    if (found) await endProcess(found, STOP_GRACE);
  }

  async lastWords(): Promise<string> {
    const text = await readFile(this.log, 'utf8').catch(() => '');
    return text.trimEnd().split('\n').at(-1)?.slice(0, 500) ?? '';
  }
}
