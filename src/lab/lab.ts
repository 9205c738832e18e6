/** A cluster of real engines on one machine: `labUp` raises it, `openLab` finds it again, `down` leaves nothing. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { WeftError } from '../model/errors.ts';
import { bootSwitch } from './boot.ts';
import { issueIdentity, issueMembers, openAuthority } from './credentials.ts';
import { startDaemon, untilReady } from './daemons.ts';
import type { DaemonName, DaemonState } from './daemons.ts';
import { LabHost } from './host.ts';
import { importImage, prepareImage } from './image.ts';
import { isRunning } from './process-table.ts';
import { provision } from './provision.ts';
import { removeLab } from './remove.ts';
import { checkLabName, claimName, loadState, saveState } from './state.ts';
import type { LabState, ProcessId } from './state.ts';
import { connectedHosts, cutPort, healPort, prepareSwitch } from './underlay.ts';

export { labExists } from './state.ts';
export type { ExecOptions, ExecResult, LabHost, LabSession } from './host.ts';
export type { DaemonName, DaemonState } from './daemons.ts';

export interface LabOptions {
  name?: string;
  /** 1 to 250 */
  hosts?: number;
  engine?: 'docker' | 'none';
  /** 1: host1's weftd manages it. 3: the lab runs members on hosts 1 to 3. */
  etcd?: 1 | 3;
  underlayMtu?: number;
  underlay?: 'ipv4' | 'ipv6';
  /** without it neither weftd nor etcd runs: bare hosts, for measurements */
  daemon?: boolean;
  onProgress?: (step: string) => void;
  /** aborting it takes down what has been raised so far */
  signal?: AbortSignal;
}

export interface HostStatus {
  name: string;
  address4: string;
  address6: string;
  power: 'on' | 'off';
  link: 'connected' | 'cut';
  daemons: Record<DaemonName, DaemonState>;
}

export const DEFAULT_LAB = 'lab';
const MAX_HOSTS = 250;

export class Lab {
  readonly name: string;
  readonly hosts: readonly LabHost[];
  readonly #state: LabState;

  constructor(state: LabState) {
    this.name = state.name;
    this.#state = state;
    this.hosts = state.hosts.map((host) => new LabHost(state, host));
  }

  /** By number, from 1, or by name. */
  host(which: number | string): LabHost {
    const name = typeof which === 'number' ? `host${which}` : which;
    const found = this.hosts.find((host) => host.name === name);
    if (found !== undefined) return found;
    const names = this.hosts.map((host) => host.name).join(', ');
    throw new WeftError('lab-failed', `lab "${this.name}" has no ${name}; it has ${names}`, { object: this.name });
  }

  /** The pid that holds the switch's network namespace: where a test looks at the underlay's packets. */
  get switchPid(): number {
    return this.#holder.pid;
  }

  async cut(host: number | string): Promise<void> {
    await cutPort(this.#holder, this.host(host).name);
  }

  async heal(host: number | string): Promise<void> {
    await healPort(this.#holder, this.host(host).name);
  }

  async status(): Promise<HostStatus[]> {
    const connected = (await isRunning(this.#state.switch)) ? await connectedHosts(this.#holder) : new Set<string>();
    return Promise.all(
      this.hosts.map(async (host) => ({
        name: host.name,
        address4: host.address4,
        address6: host.address6,
        power: (await host.isUp()) ? ('on' as const) : ('off' as const),
        link: connected.has(host.name) ? ('connected' as const) : ('cut' as const),
        daemons: await host.daemonStates(),
      })),
    );
  }

  /** No process, namespace, mount, link, cgroup or disk of the lab is left. */
  async down(): Promise<void> {
    await removeLab(this.name);
  }

  get #holder(): ProcessId {
    if (this.#state.switch !== undefined) return this.#state.switch;
    throw new WeftError('lab-failed', `lab "${this.name}" was not raised to its end`, {
      next: `weft lab down --name ${this.name}`,
    });
  }
}

export async function openLab(name: string = DEFAULT_LAB): Promise<Lab> {
  return new Lab(await loadState(name));
}

/** Takes down whatever there is of a lab of this name, also where `openLab` finds nothing to open. */
export async function labDown(name: string): Promise<void> {
  checkLabName(name);
  await removeLab(name);
}

/** Ends when every daemon of every host answers and every engine has the image. A lab that fails is taken down again. */
export async function labUp(options: LabOptions = {}): Promise<Lab> {
  const state = newState(options);
  if (process.getuid?.() !== 0) {
    throw new WeftError('not-allowed', 'a lab makes namespaces: root is needed', { next: 'sudo weft lab up' });
  }
  await claimName(state.name);
  try {
    return await raise(state, options);
  } catch (error) {
    await removeLab(state.name);
    throw error;
  }
}

async function raise(state: LabState, options: LabOptions): Promise<Lab> {
  const { signal } = options;
  const progress = options.onProgress ?? (() => undefined);
  await saveState(state);
  progress(`switch and ${state.hosts.length} hosts`);
  state.switch = await bootSwitch(state.name);
  await saveState(state);
  await prepareSwitch(state.switch);
  const lab = new Lab(state);
  if (state.daemon && state.etcd === 3) await issueAll(state);
  for (const [index, host] of lab.hosts.entries()) {
    signal?.throwIfAborted();
    const hostState = state.hosts[index];
    if (hostState !== undefined) await provision(state, hostState);
    await host.powerOn();
  }
  await settleAll([raiseEngines(lab, state, options), raiseDaemons(lab, state, options)]);
  signal?.throwIfAborted();
  return lab;
}

async function raiseEngines(lab: Lab, state: LabState, options: LabOptions): Promise<void> {
  if (state.engine === 'none') return;
  options.onProgress?.(`Docker engines on ${names(lab)}`);
  const image = prepareImage().then((path) => readFile(path));
  await settleAll([
    image,
    ...lab.hosts.map(async (host) => {
      await startDaemon(host, state, 'dockerd');
      await untilReady(host, state, 'dockerd', { signal: options.signal });
      await importImage(host, await image);
      options.onProgress?.(`${host.name}: Docker is up, with the image box`);
    }),
  ]);
}

async function raiseDaemons(lab: Lab, state: LabState, options: LabOptions): Promise<void> {
  if (!state.daemon) return;
  const start = async (host: LabHost, daemon: DaemonName): Promise<void> => {
    await startDaemon(host, state, daemon);
    await untilReady(host, state, daemon, { signal: options.signal });
    options.onProgress?.(`${host.name}: ${daemon} is up`);
  };
  if (state.etcd === 3) {
    await settleAll(lab.hosts.slice(0, 3).map((host) => start(host, 'etcd')));
    await settleAll(lab.hosts.map((host) => start(host, 'weftd')));
    return;
  }
  // the first node makes the cluster's CA as it starts; the others' certificates come from it
  const [first, ...others] = lab.hosts;
  if (first === undefined) return;
  options.onProgress?.(`weftd on ${names(lab)}`);
  await start(first, 'weftd');
  const authority = await openAuthority(state);
  for (const host of state.hosts.slice(1)) await issueIdentity(state, host, authority);
  await settleAll(others.map((host) => start(host, 'weftd')));
}

async function issueAll(state: LabState): Promise<void> {
  const authority = await openAuthority(state);
  await issueMembers(state, authority);
  for (const host of state.hosts) await issueIdentity(state, host, authority);
}

/** Waits for all, also when one fails: nothing may still be starting when the lab is taken down again. */
async function settleAll(work: Promise<unknown>[]): Promise<void> {
  const results = await Promise.allSettled(work);
  const failure = results.find((result) => result.status === 'rejected');
  if (failure !== undefined) throw failure.reason as Error;
}

function newState(options: LabOptions): LabState {
  const { name = DEFAULT_LAB, hosts = 2, engine = 'docker', etcd = 1, underlay = 'ipv4', daemon = true } = options;
  const { underlayMtu = 1500 } = options;
  checkLabName(name);
  if (!Number.isInteger(hosts) || hosts < 1 || hosts > MAX_HOSTS) refuse(`hosts: ${hosts} is not 1 to ${MAX_HOSTS}`);
  if (etcd === 3 && hosts < 3) refuse('etcd: three members need three hosts');
  // IPv6 needs 1280
  if (!Number.isInteger(underlayMtu) || underlayMtu < 1280 || underlayMtu > 65_535) {
    refuse(`underlayMtu: ${underlayMtu} is not 1280 to 65535`);
  }
  return {
    ...{ name, engine, etcd, underlay, underlayMtu, daemon },
    hosts: Array.from({ length: hosts }, (_, index) => ({
      name: `host${index + 1}`,
      number: index + 1,
      machineId: randomBytes(16).toString('hex'),
    })),
  };
}

function refuse(message: string): never {
  throw new WeftError('invalid-argument', message);
}

function names(lab: Lab): string {
  return lab.hosts.map((host) => host.name).join(', ');
}
