/**
 * The etcd that weftd runs for itself: it configures it, sees that somebody keeps it running (supervisor.ts), takes over the
 * one that runs already, and watches it. etcd ends by `stop` only, never with weftd.
 */
import { readFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { WeftError, describeCause } from '../../model/errors.ts';
import type { TlsFiles } from '../channel.ts';
import type { Log } from '../log.ts';
import { clientUrls, etcdConfiguration, type ManagedEtcdSettings } from './configuration.ts';
import { DetachedEtcd } from './detached.ts';
import { configurationApplied, ownedDirectory, privateDirectory, writeConfiguration, writePrivate } from './files.ts';
import { isAlive, type ProcessMark } from './process.ts';
import type { Owner, Supervisor } from './supervisor.ts';

export interface ManagedEtcdOptions extends Omit<ManagedEtcdSettings, 'tls'> {
  /** holds its data, configuration, certificates, and its log and pid file when it is a process of weftd's making */
  dataDir: string;
  /** The member's certificate as of now, for a key of its own (all PEM text); without one, or for none, with a new key. */
  issueMember: (key: string | undefined) => Promise<TlsFiles>;
  /** a signed list (PEM, "X509 CRL") of certificates that count no more, for the first start; left out: none is looked at */
  revocations?: string;
  binary?: string;
  /** systemd's unit; left out: a detached process */
  unit?: Supervisor | undefined;
  log: Log;
  /** ends the watch over it, not etcd itself */
  signal: AbortSignal;
}

export interface ManagedEtcd {
  /** for clients on this host */
  readonly endpoint: string;
  /** undefined while it is down */
  pid(): number | undefined;
  /** how often it was found dead and started again, by us or by systemd */
  restarts(): number;
  /** Another certificate, from its next handshake on; connections that stand go on. */
  renew(): Promise<void>;
  /** The list of certificates that count no more, as etcd reads it now. */
  revocations(): Promise<string>;
  /** The host has another address: clients and peers come there from now on. etcd is restarted. */
  move(address: string): Promise<void>;
  /** Another list. It is read at each handshake; so that what stands ends too, etcd is restarted. */
  revoke(revocations: string): Promise<void>;
  /** Ends etcd and the watch over it. */
  stop(): Promise<void>;
}

/** milliseconds */
const CHECK_INTERVAL = 250;
const START_DEADLINE = 10_000;
const RESTART_MIN = 200;
const RESTART_MAX = 10_000;
/** after this long alive, the next restart is quick again */
const SETTLED = 60_000;

/** Resolves when etcd accepts connections. Rejects with the end of its log when it dies at once. */
export async function ensureManagedEtcd(options: ManagedEtcdOptions): Promise<ManagedEtcd> {
  const { dataDir, unit } = options;
  const configuration = join(dataDir, 'etcd.yaml');
  const detached = new DetachedEtcd({ dataDir, configuration, binary: options.binary ?? '/usr/bin/etcd' });
  await privateDirectory(dataDir, unit?.owner);
  if (unit) await endPredecessor(detached, unit, options.log);
  const managed = new Managed({ ...options, configuration }, unit ?? detached);
  await managed.renew();
  await managed.beginRevocations();
  await ownedDirectory(join(dataDir, 'data'), unit?.owner);
  await managed.begin(await managed.configure());
  return managed;
}

/**
 * A process that an earlier weftd started where the unit is in charge now: two etcd cannot share their data. Seen from
 * outside, the unit's own looks the same.
 */
async function endPredecessor(detached: DetachedEtcd, unit: Supervisor, log: Log): Promise<void> {
  const [found, own] = [await detached.find(), await unit.find()];
  if (!found || found.pid === own?.pid) return;
  log.info({ pid: found.pid }, 'etcd moves to its systemd unit: it is restarted');
  await detached.stop();
}

function tlsPaths(dataDir: string): TlsFiles {
  const path = (name: string): string => join(dataDir, 'tls', name);
  return { ca: path('ca.crt'), cert: path('member.crt'), key: path('member.key') };
}

function crlPath(dataDir: string): string {
  return join(dataDir, 'tls', 'revoked.crl');
}

interface ManagedOptions extends ManagedEtcdOptions {
  /** its file */
  configuration: string;
}

class Managed implements ManagedEtcd {
  readonly endpoint: string;
  #options: ManagedOptions;
  readonly #supervisor: Supervisor;
  readonly #stopped = new AbortController();
  #mark: ProcessMark | undefined;
  #since = 0;
  #restarts = 0;
  #watching: Promise<void> = Promise.resolve();
  #restarting = false;

  constructor(options: ManagedOptions, supervisor: Supervisor) {
    this.#options = options;
    this.#supervisor = supervisor;
    this.endpoint = clientUrls(options)[0] ?? '';
  }

  pid(): number | undefined {
    return this.#mark?.pid;
  }

  restarts(): number {
    return this.#restarts;
  }

  /**
   * The key stays: etcd reads both files at each handshake and more than once while it starts, and whenever that is, the
   * certificate is for the key beside it. With halves of two pairs an etcd that starts ends.
   */
  async renew(): Promise<void> {
    const owner: Owner | undefined = this.#supervisor.owner;
    const paths = tlsPaths(this.#options.dataDir);
    const tls = await this.#options.issueMember(await readFile(paths.key, 'utf8').catch(() => undefined));
    await privateDirectory(join(this.#options.dataDir, 'tls'), owner);
    for (const name of ['ca', 'key', 'cert'] as const) await writePrivate(paths[name], tls[name], owner);
  }

  /** paths, for its configuration */
  get tls(): TlsFiles & { crl?: string } {
    const { dataDir, revocations } = this.#options;
    return { ...tlsPaths(dataDir), ...(revocations !== undefined && { crl: crlPath(dataDir) }) };
  }

  /** Without the file etcd would refuse everybody; one that is there knows more than the first. */
  async beginRevocations(): Promise<void> {
    const { dataDir, revocations } = this.#options;
    if (revocations === undefined) return;
    const before = await readFile(crlPath(dataDir), 'utf8').catch(() => revocations);
    await writePrivate(crlPath(dataDir), before, this.#supervisor.owner);
  }

  revocations(): Promise<string> {
    return readFile(crlPath(this.#options.dataDir), 'utf8');
  }

  async revoke(revocations: string): Promise<void> {
    await writePrivate(crlPath(this.#options.dataDir), revocations, this.#supervisor.owner);
    this.#options.log.info({}, 'certificates were revoked: etcd is restarted, so that their connections end');
    await this.#restart();
  }

  async move(address: string): Promise<void> {
    this.#options = { ...this.#options, address };
    await this.renew();
    if (!(await this.configure())) return;
    this.#options.log.info({ address }, 'this host has another address: etcd is restarted');
    await this.#restart();
    await configurationApplied(this.#options.configuration);
  }

  /** True when that is not what it runs by. */
  configure(): Promise<boolean> {
    const { configuration, dataDir } = this.#options;
    const text = etcdConfiguration({ ...this.#options, tls: this.tls }, join(dataDir, 'data'));
    return writeConfiguration(configuration, text, this.#supervisor.owner);
  }

  async #restart(): Promise<void> {
    this.#restarting = true;
    try {
      await this.#supervisor.stop();
      await this.#start();
      await this.#untilListening();
    } finally {
      this.#restarting = false;
    }
  }

  async begin(changed: boolean): Promise<void> {
    const { log, dataDir, configuration } = this.#options;
    let found = await this.#supervisor.find();
    if (found && changed) {
      log.info({ pid: found.pid }, 'the configuration of etcd has changed: it is restarted');
      await this.#supervisor.stop();
      found = undefined;
    }
    if (found) {
      log.info({ pid: found.pid, dataDir }, 'etcd is running and is taken over');
      this.#own(found);
    } else {
      await this.#refuseTakenPort();
      await this.#start();
    }
    await this.#untilListening();
    await configurationApplied(configuration);
    const end = AbortSignal.any([this.#options.signal, this.#stopped.signal]);
    this.#watching = this.#watchOver(end);
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#watching;
    await this.#supervisor.stop();
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
    const mark = await this.#supervisor.start();
    if (!mark && !this.#supervisor.restarts) throw await this.#failure('etcd ended as soon as it was started');
    if (mark) this.#own(mark);
    this.#options.log.info({ pid: mark?.pid, by: this.#supervisor.kind }, 'etcd was started');
  }

  #own(mark: ProcessMark): void {
    this.#mark = mark;
    this.#since = performance.now();
  }

  /** A member that waits for others listens too, so this does not wait for a majority. */
  async #untilListening(): Promise<void> {
    const { signal } = this.#options;
    const url = new URL(this.endpoint);
    const end = performance.now() + START_DEADLINE;
    while (!(await accepts(url.hostname, Number(url.port)))) {
      signal.throwIfAborted();
      if (!this.#supervisor.restarts && this.#mark && !(await isAlive(this.#mark)))
        throw await this.#failure('etcd ended as soon as it was started');
      if (performance.now() > end) throw await this.#failure(`etcd does not listen after ${START_DEADLINE} ms`);
      await sleep(50, undefined, { signal });
    }
    const found = this.#supervisor.restarts ? await this.#supervisor.find() : undefined;
    if (found) this.#own(found);
  }

  async #failure(what: string): Promise<WeftError> {
    const last = await this.#supervisor.lastWords();
    return new WeftError('store-away', `${what}: ${last || 'its log is empty'}`, {
      object: this.#options.dataDir,
      next: `read ${this.#supervisor.log}`,
    });
  }

  async #watchOver(end: AbortSignal): Promise<void> {
    let pause = RESTART_MIN;
    while (await rest(CHECK_INTERVAL, end)) {
      if (this.#restarting || (this.#mark && (await isAlive(this.#mark)))) continue;
      if (performance.now() - this.#since > SETTLED) pause = RESTART_MIN;
      if (this.#mark) this.#options.log.warn({ restarts: this.#restarts, pause }, 'etcd has ended');
      this.#mark = undefined;
      if (!(await rest(pause, end))) return;
      pause = Math.min(pause * 2, RESTART_MAX);
      await this.#revive().catch((error: unknown) => {
        this.#options.log.warn({ err: error }, `etcd cannot be started: ${describeCause(error)}`);
      });
    }
  }

  /** systemd starts it again by itself, unless somebody stopped the unit: then it stays so until weftd starts anew. */
  async #revive(): Promise<void> {
    if (!this.#supervisor.restarts) {
      this.#restarts += 1;
      return await this.#start();
    }
    const found = await this.#supervisor.find();
    if (!found) return this.#options.log.warn({}, `etcd does not run: ${await this.#supervisor.lastWords()}`);
    this.#restarts += 1;
    this.#own(found);
    this.#options.log.info({ pid: found.pid }, 'etcd was started again by systemd');
  }
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
