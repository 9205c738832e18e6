/** The daemons of a host: how they are started, found, signalled, and known to be ready. */
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import { WeftError } from '../model/errors.ts';
import type { LabHost } from './host.ts';
import { isHalted, processIds, processStatus } from './process-table.ts';
import type { LabState } from './state.ts';
import { until } from './wait.ts';

export const DAEMONS = ['etcd', 'weftd', 'dockerd'] as const;
export type DaemonName = (typeof DAEMONS)[number];
export type DaemonState = 'running' | 'frozen' | 'stopped';

interface Daemon {
  /** in the host's own numbering */
  pid: number;
  state: DaemonState;
}

const COMMANDS: Record<DaemonName, string[]> = {
  etcd: ['etcd', '--config-file', '/etc/weft/etcd.json'],
  weftd: ['weftd'],
  dockerd: ['dockerd'],
};
const READY_DEADLINE: Record<DaemonName, number> = { etcd: 60_000, weftd: 60_000, dockerd: 60_000 };
const START_DEADLINE = 5000;
const KILL_DEADLINE = 5000;
const HALT_DEADLINE = 10_000;
/** dockerd gives its containers 15 s to stop. */
const STOP_DEADLINE = 30_000;
/** The daemon becomes a child of the host's pid 1; its pid is in a file before its program runs. */
const LAUNCH =
  'echo $$ >"/run/weft-lab/$1.new"; mv "/run/weft-lab/$1.new" "/run/weft-lab/$1.pid"; log=$1; shift; exec "$@" >>"/var/log/$log.log" 2>&1 </dev/null';

/** What the lab itself starts on a host, in this order. An etcd that weftd manages is not the lab's to start. */
export function daemonsOf(lab: LabState, host: number): DaemonName[] {
  return [
    ...(lab.daemon && lab.etcd === 3 && host <= 3 ? (['etcd'] as const) : []),
    ...(lab.daemon ? (['weftd'] as const) : []),
    ...(lab.engine === 'docker' ? (['dockerd'] as const) : []),
  ];
}

export async function startDaemon(
  host: LabHost,
  lab: LabState,
  daemon: DaemonName,
  env: Record<string, string> = {},
): Promise<void> {
  const number = lab.hosts.find((candidate) => candidate.name === host.name)?.number ?? 0;
  if (!daemonsOf(lab, number).includes(daemon)) {
    throw new WeftError('lab-failed', `${host.name} has no ${daemon} that the lab starts`, { host: host.name });
  }
  if ((await findDaemon(host, daemon)) !== undefined) {
    throw new WeftError('lab-failed', `${daemon} of ${host.name} runs already`, { host: host.name });
  }
  await host.exec(['rm', '-f', `/run/weft-lab/${daemon}.pid`]);
  // Not for what launches it: a library that is loaded by LD_PRELOAD may expect to be in one lasting process.
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const command = ['env', ...variables, ...COMMANDS[daemon]];
  const launched = await host.exec(['setsid', '--fork', 'sh', '-c', LAUNCH, 'sh', daemon, ...command]);
  if (launched.exitCode !== 0) throw new WeftError('lab-failed', `${daemon}: ${launched.stderr}`, { host: host.name });
  const hasPid = async (): Promise<boolean> => (await recordedPid(host, daemon)) !== undefined;
  await until(hasPid, { what: `${daemon} of ${host.name} is not started`, deadline: START_DEADLINE });
}

export interface ReadyOptions {
  signal?: AbortSignal;
  /** milliseconds; an engine answers only once it has started all its containers again */
  deadline?: number;
}

export async function untilReady(
  host: LabHost,
  lab: LabState,
  daemon: DaemonName,
  { signal, deadline = READY_DEADLINE[daemon] }: ReadyOptions,
): Promise<void> {
  const answers = {
    etcd: () => answersEtcd(host),
    weftd: () => answersWeft(host),
    dockerd: () => answersPing(`/proc/${host.initPid}/root/run/docker.sock`),
  };
  await until(
    async () => {
      if (await answers[daemon]()) return true;
      if ((await findDaemon(host, daemon)) !== undefined) return false;
      throw new WeftError('lab-failed', `${daemon} of ${host.name} has ended: ${await lastWords(host, daemon)}`, {
        host: host.name,
        next: `weft lab exec --name ${lab.name} ${host.name} -- cat /var/log/${daemon}.log`,
      });
    },
    {
      what: `${daemon} of ${host.name} does not answer`,
      deadline,
      host: host.name,
      signal,
      explain: () => lastWords(host, daemon),
    },
  );
}

/** undefined when it does not run. */
export async function findDaemon(host: LabHost, daemon: DaemonName): Promise<Daemon | undefined> {
  if (!(await host.isUp())) return undefined;
  const proc = procOf(host);
  const pid = (await recordedPid(host, daemon)) ?? (daemon === 'etcd' ? await findManagedEtcd(proc) : undefined);
  const status = pid === undefined ? undefined : await processStatus(pid, proc);
  if (pid === undefined || status === undefined) return undefined;
  return { pid, state: status.state === 'T' ? 'frozen' : 'running' };
}

export async function signalDaemon(
  host: LabHost,
  daemon: DaemonName,
  signal: 'STOP' | 'CONT' | 'TERM' | 'KILL',
): Promise<Daemon> {
  const found = await findDaemon(host, daemon);
  if (found === undefined) {
    throw new WeftError('lab-failed', `${daemon} does not run on ${host.name}`, { host: host.name });
  }
  const sent = await host.exec(['kill', `-${signal}`, String(found.pid)]);
  if (sent.exitCode !== 0) throw new WeftError('lab-failed', sent.stderr.trim(), { host: host.name });
  return found;
}

/** Returns when it does nothing any more. */
export async function haltDaemon(host: LabHost, daemon: DaemonName): Promise<void> {
  const { pid } = await signalDaemon(host, daemon, 'STOP');
  const halted = (): Promise<boolean> => isHalted(pid, procOf(host));
  await until(halted, { what: `${daemon} of ${host.name} still runs`, deadline: HALT_DEADLINE, host: host.name });
}

/** Returns when it is gone. */
export async function endDaemon(host: LabHost, daemon: DaemonName, signal: 'TERM' | 'KILL'): Promise<void> {
  const { pid } = await signalDaemon(host, daemon, signal);
  const gone = async (): Promise<boolean> => (await processStatus(pid, procOf(host))) === undefined;
  const deadline = signal === 'TERM' ? STOP_DEADLINE : KILL_DEADLINE;
  await until(gone, { what: `${daemon} of ${host.name} has not ended`, deadline });
}

/** The host's /proc, seen from outside: pids in it are the host's own. */
function procOf(host: LabHost): string {
  return `/proc/${host.initPid}/root/proc`;
}

async function recordedPid(host: LabHost, daemon: DaemonName): Promise<number | undefined> {
  const path = `/proc/${host.initPid}/root/run/weft-lab/${daemon}.pid`;
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : Number(text);
}

/** By its name, and in the host's own pid namespace: an etcd in a container is not meant. */
async function findManagedEtcd(proc: string): Promise<number | undefined> {
  for (const pid of await processIds(proc)) {
    const status = await readFile(`${proc}/${pid}/status`, 'utf8').catch(() => '');
    if (/^Name:\tetcd$/m.test(status) && /^NSpid:\t\d+$/m.test(status)) return pid;
  }
  return undefined;
}

async function answersWeft(host: LabHost): Promise<boolean> {
  // a killed weftd leaves its socket behind, and asking by command costs as much as its start
  if (!(await listensOn(`/proc/${host.initPid}/root/run/weft/weft.sock`))) return false;
  const result = await host.exec(['weft', 'status', '-o', 'json'], { timeout: 20_000 });
  return result.exitCode === 0;
}

/** It may wait for other members and then not answer reads: listening is all one member can do by itself. */
async function answersEtcd(host: LabHost): Promise<boolean> {
  const result = await host.exec(['socat', '-u', 'OPEN:/dev/null', 'TCP:127.0.0.1:2379,connect-timeout=1']);
  return result.exitCode === 0;
}

function listensOn(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    const end = (listens: boolean): void => {
      socket.destroy();
      resolve(listens);
    };
    socket.once('connect', () => end(true)).once('error', () => end(false));
  });
}

function answersPing(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const call = request({ socketPath, path: '/_ping', timeout: 2000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    call.on('error', () => resolve(false));
    call.on('timeout', () => call.destroy());
    call.end();
  });
}

async function lastWords(host: LabHost, daemon: DaemonName): Promise<string> {
  return (await host.logs(daemon)).trimEnd().split('\n').slice(-3).join(' | ').slice(-1000) || 'its log is empty';
}
