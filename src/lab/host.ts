/** One host of a lab: run commands on it, break and mend its daemons, cut its power. */
import { readFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { execa } from 'execa';
import type { ResultPromise } from 'execa';
import { WeftError } from '../model/errors.ts';
import { bootHost, hostEnvironment } from './boot.ts';
import { removeControlGroups } from './control-groups.ts';
import {
  DAEMONS,
  daemonsOf,
  endDaemon,
  findDaemon,
  haltDaemon,
  signalDaemon,
  startDaemon,
  untilReady,
} from './daemons.ts';
import type { DaemonName, DaemonState, ReadyOptions } from './daemons.ts';
import { isRunning } from './process-table.ts';
import { diskDirectory, saveState } from './state.ts';
import type { HostState, LabState } from './state.ts';
import { address4, address6, plugIn } from './underlay.ts';
import { until } from './wait.ts';

export interface ExecOptions {
  input?: string | Buffer;
  /** milliseconds; a command that takes longer is ended, exit code 124 */
  timeout?: number;
  env?: Record<string, string>;
}

export interface StartOptions extends ReadyOptions {
  env?: Record<string, string>;
}

export interface ExecResult {
  stdout: string;
  stderr: string;
  /** 128 + signal for a command that a signal ended, as a shell has it */
  exitCode: number;
}

const EXEC_TIMEOUT = 60_000;
const POWER_OFF_DEADLINE = 10_000;
const MAX_OUTPUT = 64 << 20;

export class LabHost {
  readonly name: string;
  readonly address4: string;
  readonly address6: string;
  readonly #lab: LabState;
  readonly #host: HostState;

  constructor(lab: LabState, host: HostState) {
    this.#lab = lab;
    this.#host = host;
    this.name = host.name;
    this.address4 = address4(host.number);
    this.address6 = address6(host.number);
  }

  /** The pid, in the machine's numbering, of the host's pid 1: /proc/<pid>/root and /proc/<pid>/ns/* lead into it. */
  get initPid(): number {
    if (this.#host.init !== undefined) return this.#host.init.pid;
    throw new WeftError('lab-failed', `${this.name} is not up`, {
      host: this.name,
      next: `weft lab power-cycle --name ${this.#lab.name} ${this.name}`,
    });
  }

  /** The host's address as others of the cluster know it. */
  get vtep(): string {
    return this.#lab.underlay === 'ipv6' ? this.address6 : this.address4;
  }

  /** Runs a command to its end. It gets no input unless there is `input`; an exit code is no error. */
  async exec(command: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    // killing nsenter would leave what it started: `timeout` is on the inside
    const seconds = String((options.timeout ?? EXEC_TIMEOUT) / 1000);
    const result = await execa('nsenter', await this.#enter(['timeout', '-k', '2', seconds, ...command]), {
      ...(options.input === undefined ? { stdin: 'ignore' } : { input: options.input }),
      env: { ...hostEnvironment(this.#lab.name), ...options.env },
      extendEnv: false,
      reject: false,
      stripFinalNewline: false,
      maxBuffer: MAX_OUTPUT,
    });
    return { stdout: result.stdout, stderr: result.stderr, exitCode: codeOf(result) };
  }

  /**
   * Starts a command that runs on beside the caller. Its input ends when the returned process' stdin is closed; signals
   * go by `kill` to the command itself.
   */
  async spawn(command: readonly string[], options: Pick<ExecOptions, 'env'> = {}): Promise<LabSession> {
    const mark = 'echo $$ >&3; exec "$@"';
    const child = execa('nsenter', await this.#enter(['sh', '-c', mark, 'sh', ...command]), {
      env: { ...hostEnvironment(this.#lab.name), ...options.env },
      extendEnv: false,
      reject: false,
      maxBuffer: MAX_OUTPUT,
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    });
    return new LabSession(this, child);
  }

  /** Hands our own terminal or pipes to a command; gives its exit code. Without a deadline: it is the user's. */
  async attach(command: readonly string[]): Promise<number> {
    // what the terminal sends goes to the command as well, and is for the command to answer
    const ignore = (): void => undefined;
    const signals = ['SIGINT', 'SIGQUIT'] as const;
    for (const signal of signals) process.on(signal, ignore);
    try {
      const result = await execa('nsenter', await this.#enter(command), {
        stdio: 'inherit',
        env: hostEnvironment(this.#lab.name),
        extendEnv: false,
        reject: false,
      });
      return codeOf(result);
    } finally {
      for (const signal of signals) process.off(signal, ignore);
    }
  }

  /** SIGSTOP; ends when it has taken effect. */
  async freeze(daemon: DaemonName): Promise<void> {
    await haltDaemon(this, daemon);
  }

  /** SIGCONT. */
  async thaw(daemon: DaemonName): Promise<void> {
    await signalDaemon(this, daemon, 'CONT');
  }

  /** SIGKILL, of the daemon alone: its containers, and an etcd that it manages, go on. */
  async kill(daemon: DaemonName): Promise<void> {
    await endDaemon(this, daemon, 'KILL');
  }

  /** SIGTERM, and its own time to end. */
  async stop(daemon: DaemonName): Promise<void> {
    await endDaemon(this, daemon, 'TERM');
  }

  /** Ends when the daemon answers. `env`: variables for this life of it. */
  async start(daemon: DaemonName, { env, ...wait }: StartOptions = {}): Promise<void> {
    await startDaemon(this, this.#lab, daemon, env);
    await untilReady(this, this.#lab, daemon, wait);
  }

  /** Cuts the power: nothing runs afterwards, the disk is as it was. */
  async powerOff(): Promise<void> {
    const { init, name } = this.#host;
    if (init === undefined) return;
    if (await isRunning(init)) process.kill(init.pid, 'SIGKILL');
    const gone = async (): Promise<boolean> => !(await isRunning(init));
    await until(gone, { what: `${name} still runs`, deadline: POWER_OFF_DEADLINE });
    delete this.#host.init;
    await saveState(this.#lab);
    await removeControlGroups(this.#lab.name, name);
  }

  /** Power on: a new boot id, empty /run; the network is there, no daemon runs yet. */
  async powerOn(): Promise<void> {
    this.#host.init = await bootHost(this.#lab.name, this.#host);
    await saveState(this.#lab);
    await plugIn(this.#lab, this.#host);
  }

  /** Power off and on again; ends when all daemons of the host answer. As systemd orders them: an engine after weftd is ready. */
  async powerCycle(wait: ReadyOptions = {}): Promise<void> {
    await this.powerOff();
    await this.powerOn();
    for (const daemon of daemonsOf(this.#lab, this.#host.number)) await this.start(daemon, wait);
  }

  async daemonStates(): Promise<Record<DaemonName, DaemonState>> {
    const states = await Promise.all(
      DAEMONS.map(async (daemon) => [daemon, (await findDaemon(this, daemon))?.state ?? 'stopped'] as const),
    );
    return Object.fromEntries(states) as Record<DaemonName, DaemonState>;
  }

  async isUp(): Promise<boolean> {
    return isRunning(this.#host.init);
  }

  /** Everything a daemon has said, over all its lives. */
  async logs(daemon: DaemonName): Promise<string> {
    const disk = diskDirectory(this.#lab.name, this.name);
    const isManaged = daemon === 'etcd' && !daemonsOf(this.#lab, this.#host.number).includes('etcd');
    const paths = isManaged
      ? ['etcd.log.1', 'etcd.log'].map((name) => `${disk}/var/lib/weft/etcd/${name}`)
      : [`${disk}/var/log/${daemon}.log`];
    const texts = await Promise.all(paths.map((path) => readFile(path, 'utf8').catch(() => '')));
    return texts.join('');
  }

  async #enter(command: readonly string[]): Promise<string[]> {
    if (!(await isRunning(this.#host.init))) {
      throw new WeftError('lab-failed', `${this.name} is not up`, {
        host: this.name,
        next: `weft lab power-cycle --name ${this.#lab.name} ${this.name}`,
      });
    }
    return ['-t', String(this.initPid), '-n', '-m', '-u', '-i', '-p', '--', ...command];
  }
}

/** A command that runs on a host beside its caller. */
export class LabSession {
  /** resolves when the command has ended, however it did */
  readonly exited: Promise<ExecResult>;
  readonly stdin: NodeJS.WritableStream;
  readonly stdout: NodeJS.ReadableStream;
  readonly stderr: NodeJS.ReadableStream;
  readonly #host: LabHost;
  readonly #pid: Promise<string>;

  constructor(host: LabHost, child: ResultPromise<{ stdio: ['pipe', 'pipe', 'pipe', 'pipe']; reject: false }>) {
    this.#host = host;
    this.stdin = child.stdin;
    this.stdout = child.stdout;
    this.stderr = child.stderr;
    const mark = child.stdio[3] as unknown as NodeJS.ReadableStream;
    this.#pid = new Promise((resolve) => {
      let text = '';
      mark.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
      mark.once('data', () => resolve(text.trim()));
      mark.once('end', () => resolve(text.trim()));
    });
    this.exited = child.then((result) => ({
      stdout: result.stdout,
      stderr: result.stderr,
      exitCode: codeOf(result),
    }));
  }

  /** Signals the command, then waits for its end unless the signal is one that it may live on after. */
  async kill(signal: 'INT' | 'TERM' | 'KILL' = 'TERM'): Promise<ExecResult> {
    await this.#host.exec(['kill', `-${signal}`, await this.#pid]);
    return this.exited;
  }
}

/** nsenter ends by the signal that ended its command. */
function codeOf(result: { exitCode?: number | undefined; signal?: NodeJS.Signals | undefined }): number {
  return result.exitCode ?? 128 + (result.signal === undefined ? 1 : constants.signals[result.signal]);
}
