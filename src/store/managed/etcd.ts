/**
 * The etcd that weftd runs for itself: a process of its own, which a restarted weftd takes over, and which is started
 * again when it dies. It ends by `stop` only, never with weftd.
 */
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { WeftError, describeCause } from '../../model/errors.ts';
import type { Log } from '../log.ts';
import { clientUrls, etcdConfiguration, type ManagedEtcdSettings } from './configuration.ts';
import { endProcess, findProcess, isAlive, launch, saveMark, type Launch, type ProcessMark } from './process.ts';

export interface ManagedEtcdOptions extends ManagedEtcdSettings {
  /** holds its data, configuration, log and pid file */
  dataDir: string;
  binary?: string;
  log: Log;
  /** ends the watch over it, not etcd itself */
  signal: AbortSignal;
}

export interface ManagedEtcd {
  /** for clients on this host */
  readonly endpoint: string;
  /** undefined while it is down */
  pid(): number | undefined;
  /** how often it was found dead and started again */
  restarts(): number;
  /** Ends etcd and the watch over it. */
  stop(): Promise<void>;
}

const CHECK_INTERVAL = 250;
const START_DEADLINE = 10_000;
const STOP_GRACE = 8_000;
const RESTART_MIN = 200;
const RESTART_MAX = 10_000;
/** after this long alive, the next restart is quick again */
const SETTLED = 60_000;

/** Resolves when etcd accepts connections. Rejects with the end of its log when it dies at once. */
export async function ensureManagedEtcd(options: ManagedEtcdOptions): Promise<ManagedEtcd> {
  const { dataDir } = options;
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  await chmod(dataDir, 0o700);
  const configPath = join(dataDir, 'etcd.json');
  const supervisor = new Supervisor(options, {
    binary: options.binary ?? '/usr/bin/etcd',
    args: ['--config-file', configPath],
    directory: dataDir,
    logPath: join(dataDir, 'etcd.log'),
  });
  await supervisor.begin(await writeConfiguration(configPath, etcdConfiguration(options, join(dataDir, 'data'))));
  return supervisor;
}

class Supervisor implements ManagedEtcd {
  readonly endpoint: string;
  readonly #options: ManagedEtcdOptions;
  readonly #launch: Launch;
  readonly #pidPath: string;
  readonly #stopped = new AbortController();
  #mark: ProcessMark | undefined;
  #since = 0;
  #restarts = 0;
  #watching: Promise<void> = Promise.resolve();

  constructor(options: ManagedEtcdOptions, launch: Launch) {
    this.#options = options;
    this.#launch = launch;
    this.#pidPath = join(options.dataDir, 'etcd.pid');
    this.endpoint = clientUrls(options)[0] ?? '';
  }

  pid(): number | undefined {
    return this.#mark?.pid;
  }

  restarts(): number {
    return this.#restarts;
  }

  async begin(configurationChanged: boolean): Promise<void> {
    const { log, dataDir } = this.#options;
    let found = await findProcess(this.#pidPath, this.#launch);
    if (found && configurationChanged) {
      log.info({ pid: found.pid }, 'the configuration of etcd has changed: it is restarted');
      await endProcess(found, STOP_GRACE);
      found = undefined;
    }
    if (found) {
      log.info({ pid: found.pid, dataDir }, 'etcd is running and is taken over');
      await this.#own(found);
    } else {
      await this.#refuseTakenPort();
      await this.#start();
    }
    await this.#untilListening();
    const end = AbortSignal.any([this.#options.signal, this.#stopped.signal]);
    this.#watching = this.#watchOver(end);
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#watching;
    if (this.#mark) await endProcess(this.#mark, STOP_GRACE);
    this.#mark = undefined;
  }

  /** Else the other's listener would pass for ours. */
  async #refuseTakenPort(): Promise<void> {
    const { hostname, port } = new URL(this.endpoint);
    if (!(await accepts(hostname, Number(port)))) return;
    throw new WeftError('store-away', `etcd cannot be started: something else listens on ${hostname}:${port}`, {
      object: this.#options.dataDir,
      next: 'stop it, or use an external etcd (store.mode: external)',
    });
  }

  async #start(): Promise<void> {
    const mark = await launch(this.#launch);
    if (!mark) throw await this.#failure('etcd ended as soon as it was started');
    await this.#own(mark);
    this.#options.log.info({ pid: this.#mark?.pid, dataDir: this.#options.dataDir }, 'etcd was started');
  }

  async #own(mark: ProcessMark): Promise<void> {
    this.#mark = mark;
    this.#since = performance.now();
    await saveMark(this.#pidPath, mark);
  }

  /** A member that waits for others listens too, so this does not wait for a majority. */
  async #untilListening(): Promise<void> {
    const { signal } = this.#options;
    const url = new URL(this.endpoint);
    const end = performance.now() + START_DEADLINE;
    while (!(await accepts(url.hostname, Number(url.port)))) {
      signal.throwIfAborted();
      if (this.#mark && !(await isAlive(this.#mark))) throw await this.#failure('etcd ended as soon as it was started');
      if (performance.now() > end) throw await this.#failure(`etcd does not listen after ${START_DEADLINE} ms`);
      await sleep(50, undefined, { signal });
    }
  }

  async #failure(what: string): Promise<WeftError> {
    const text = await readFile(this.#launch.logPath, 'utf8').catch(() => '');
    const last = text.trimEnd().split('\n').at(-1)?.slice(0, 500) ?? '';
    return new WeftError('store-away', `${what}: ${last || 'its log is empty'}`, {
      object: this.#options.dataDir,
      next: `read ${this.#launch.logPath}`,
    });
  }

  async #watchOver(end: AbortSignal): Promise<void> {
    let pause = RESTART_MIN;
    while (await rest(CHECK_INTERVAL, end)) {
      if (this.#mark && (await isAlive(this.#mark))) continue;
      if (performance.now() - this.#since > SETTLED) pause = RESTART_MIN;
      this.#mark = undefined;
      this.#options.log.warn({ restarts: this.#restarts, pause }, 'etcd has ended: it is started again');
      if (!(await rest(pause, end))) return;
      pause = Math.min(pause * 2, RESTART_MAX);
      this.#restarts += 1;
      await this.#start().catch((error: unknown) => {
        this.#options.log.warn({ err: error }, `etcd cannot be started: ${describeCause(error)}`);
      });
    }
  }
}

/** True when the file was there with other content. */
async function writeConfiguration(path: string, content: string): Promise<boolean> {
  const before = await readFile(path, 'utf8').catch(() => undefined);
  if (before === content) return false;
  await writeFile(`${path}.tmp`, content, { mode: 0o600 });
  await rename(`${path}.tmp`, path);
  return before !== undefined;
}

/** False when it was cut short. */
async function rest(milliseconds: number, signal: AbortSignal): Promise<boolean> {
  await sleep(milliseconds, undefined, { signal, ref: false }).catch(() => undefined);
  return !signal.aborted;
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port });
    const settle = (answer: boolean) => () => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1_000, settle(false));
    socket.once('connect', settle(true));
    socket.once('error', settle(false));
  });
}
