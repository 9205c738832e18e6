/** A real etcd on free loopback ports, with a data directory of its own, for tests that kill, freeze and restart it. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Etcd3 } from 'etcd3';
import { isHalted } from '../../src/lab/process-table.ts';
import { until } from './until.ts';

export const ETCD_BINARY = '/usr/bin/etcd';
export const hasEtcd = existsSync(ETCD_BINARY);

/** Below those that the kernel gives to outgoing connections (ip_local_port_range), any of which may take a free one at any time. */
const PORTS = { first: 15_000, count: 17_000 };

/** A port of loopback on which nobody listens. */
export async function freePort(): Promise<number> {
  for (let tried = 0; tried < 100; tried++) {
    const port = PORTS.first + randomInt(PORTS.count);
    if (await isFree(port)) return port;
  }
  throw new Error(`none of 100 ports from ${PORTS.first} on is free`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const listening = once(server, 'listening').then(
    () => true,
    () => false,
  );
  server.listen(port, '127.0.0.1');
  if (!(await listening)) return false;
  server.close();
  await once(server, 'close');
  return true;
}

/** Ends when it has taken effect: other threads of the process serve on until the one that got the signal has run. */
export async function halt(child: ChildProcess): Promise<void> {
  const { pid } = child;
  if (pid === undefined || !child.kill('SIGSTOP')) return;
  await until(() => isHalted(pid), { what: `process ${pid} to stand still` });
}

/** What it prints; rejects with its stderr. */
export async function etcdctl(args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('etcdctl', args, {
    env: { ...process.env, ETCDCTL_API: '3' },
    timeout: 30_000,
  });
  return stdout;
}

export class TestEtcd {
  readonly endpoint: string;
  readonly #directory: string;
  readonly #port: number;
  readonly #peerPort: number;
  #token = 'test';
  #process: ChildProcess | undefined;

  private constructor(directory: string, port: number, peerPort: number) {
    this.#directory = directory;
    this.#port = port;
    this.#peerPort = peerPort;
    this.endpoint = `http://127.0.0.1:${port}`;
  }

  /** Not started yet. */
  static async create(): Promise<TestEtcd> {
    const directory = await mkdtemp(join(tmpdir(), 'weft-etcd-'));
    return new TestEtcd(directory, await freePort(), await freePort());
  }

  /** `port`: serve clients there this time, out of sight of those who know `endpoint` only. */
  async start(port = this.#port): Promise<void> {
    const peer = `http://127.0.0.1:${this.#peerPort}`;
    const client = `http://127.0.0.1:${port}`;
    this.#process = spawn(
      ETCD_BINARY,
      [
        ...['--name', 'test', '--data-dir', this.#directory, '--initial-cluster', `test=${peer}`],
        ...['--initial-cluster-token', this.#token, '--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
        ...['--listen-client-urls', client, '--advertise-client-urls', client],
        ...['--unsafe-no-fsync', '--logger', 'zap', '--log-level', 'error', '--grpc-keepalive-min-time', '1s'],
      ],
      { stdio: 'ignore' },
    );
    await until(() => answers(client), { deadline: 15_000, what: 'etcd to answer' });
  }

  async freeze(): Promise<void> {
    if (this.#process) await halt(this.#process);
  }

  thaw(): void {
    this.#process?.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  /** Forgets all data; to be called while it is down. */
  async wipe(): Promise<void> {
    await rm(join(this.#directory, 'member'), { recursive: true, force: true });
  }

  async backup(): Promise<void> {
    await rm(`${this.#directory}.db`, { force: true });
    await etcdctl(['--endpoints', this.endpoint, 'snapshot', 'save', `${this.#directory}.db`]);
  }

  /** Puts the backup in the place of all data, and starts on it. With the same token it is the same cluster. */
  async restore({ newCluster }: { newCluster: boolean }): Promise<void> {
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
    if (newCluster) this.#token += '-again';
    const peer = `http://127.0.0.1:${this.#peerPort}`;
    await etcdctl([
      ...['snapshot', 'restore', `${this.#directory}.db`, '--name', 'test', '--data-dir', this.#directory],
      ...['--initial-cluster', `test=${peer}`, '--initial-advertise-peer-urls', peer],
      ...['--initial-cluster-token', this.#token],
    ]);
    await this.start();
  }

  async remove(): Promise<void> {
    await this.kill();
    await rm(`${this.#directory}.db`, { force: true });
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** Compacts away all history up to now. */
export async function compactAll(endpoint: string): Promise<void> {
  const client = new Etcd3({ hosts: endpoint });
  try {
    const { header } = await client.kv.range({ key: Buffer.from('x') });
    await client.kv.compact({ revision: header.revision, physical: true });
  } finally {
    client.close();
  }
}

/** Writes a raw value under a full key, as something other than weft might. */
export async function putRaw(endpoint: string, key: string, value: string): Promise<void> {
  const client = new Etcd3({ hosts: endpoint });
  try {
    await client.kv.put({ key: Buffer.from(key), value: Buffer.from(value) });
  } finally {
    client.close();
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(1_000) });
    return ((await response.json()) as { health: string }).health === 'true';
  } catch {
    return false;
  }
}
