/**
 * A real etcd of several members as in production: TLS for clients and peers, each member behind proxies that can cut it
 * off. What the members tell of themselves (advertised addresses) are the proxies.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Etcd3 } from 'etcd3';
import type { TlsFiles } from '../../src/store/channel.ts';
import { createAuthority, issueClientCertificate, issueMemberCertificate } from '../../src/trust/authority.ts';
import { saveMember } from '../../src/trust/identity.ts';
import { ETCD_BINARY, etcdctl, freePort, halt } from './etcd.ts';
import { ownerOf } from './socket-owner.ts';
import { TcpProxy } from './tcp-proxy.ts';
import { until } from './until.ts';

const NODE = '01JD0000000000000000000001';

interface Paths {
  ca: string;
  cert: string;
  key: string;
}

export class ClusterMember {
  readonly name: string;
  readonly directory: string;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly clients: TcpProxy;
  readonly peers: TcpProxy;
  #process: ChildProcess | undefined;

  constructor(at: Pick<ClusterMember, 'name' | 'directory' | 'clientPort' | 'peerPort' | 'clients' | 'peers'>) {
    this.name = at.name;
    this.directory = at.directory;
    this.clientPort = at.clientPort;
    this.peerPort = at.peerPort;
    this.clients = at.clients;
    this.peers = at.peers;
  }

  /** what clients are told */
  get endpoint(): string {
    return `https://127.0.0.1:${this.clients.port}`;
  }

  /** the same without the proxy */
  get direct(): string {
    return `https://127.0.0.1:${this.clientPort}`;
  }

  get peerUrl(): string {
    return `https://127.0.0.1:${this.peers.port}`;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  launch(args: string[]): void {
    this.#process = spawn(ETCD_BINARY, args, { stdio: 'ignore' });
  }

  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  async freeze(): Promise<void> {
    if (this.#process) await halt(this.#process);
  }

  thaw(): void {
    this.#process?.kill('SIGCONT');
  }
}

export class EtcdCluster {
  readonly members: ClusterMember[] = [];
  readonly tls: TlsFiles;
  readonly #folder: string;
  readonly #paths: Paths;
  /** members that peers cannot reach, nor they their peers */
  readonly #cut = new Set<ClusterMember>();
  #restores = 0;
  #token = 'test';

  private constructor(folder: string, tls: TlsFiles, paths: Paths) {
    this.#folder = folder;
    this.tls = tls;
    this.#paths = paths;
  }

  static async start(count: number): Promise<EtcdCluster> {
    const folder = await mkdtemp(join(tmpdir(), 'weft-etcd-cluster-'));
    const authority = await createAuthority(join(folder, 'pki'));
    const member = await issueMemberCertificate(authority, { name: 'etcd', addresses: ['127.0.0.1'] });
    const paths = await saveMember(join(folder, 'member'), member);
    const cluster = new EtcdCluster(folder, await issueClientCertificate(authority, { nodeId: NODE }), paths);
    for (let n = 1; n <= count; n++) cluster.members.push(await cluster.#make(`n${n}`));
    await cluster.startAll();
    return cluster;
  }

  get endpoints(): string[] {
    return this.members.map((member) => member.endpoint);
  }

  /** Launches those that are down and waits until they answer, given a majority of them. */
  async startAll(): Promise<void> {
    for (const member of this.members) if (member.pid === undefined) this.launch(member);
    await Promise.all(this.members.map((member) => this.untilAnswering(member)));
  }

  launch(member: ClusterMember, state: 'new' | 'existing' = 'new', members = this.members): void {
    const { ca, cert, key } = this.#paths;
    member.launch([
      ...['--name', member.name, '--data-dir', member.directory, '--initial-cluster', initialCluster(members)],
      ...['--initial-cluster-state', state, '--initial-cluster-token', this.#token],
      ...[
        '--listen-peer-urls',
        `https://127.0.0.1:${member.peerPort}`,
        '--initial-advertise-peer-urls',
        member.peerUrl,
      ],
      ...['--listen-client-urls', member.direct, '--advertise-client-urls', member.endpoint],
      ...['--client-cert-auth', '--trusted-ca-file', ca, '--cert-file', cert, '--key-file', key],
      ...['--peer-client-cert-auth', '--peer-trusted-ca-file', ca, '--peer-cert-file', cert, '--peer-key-file', key],
      ...['--unsafe-no-fsync', '--pre-vote', '--logger', 'zap', '--log-level', 'error'],
      // or members may only be changed after all have been connected for 5 s
      ...['--grpc-keepalive-min-time', '1s', '--strict-reconfig-check=false'],
    ]);
  }

  async untilAnswering(member: ClusterMember): Promise<void> {
    const answers = (): Promise<boolean> =>
      this.raw(member, (client) =>
        client.kv.range({ key: Buffer.from('x') }, { deadline: Date.now() + 1_000 }).then(
          () => true,
          () => false,
        ),
      );
    await until(answers, { deadline: 30_000, every: 50, what: `etcd ${member.name} to answer` });
  }

  async killAll(): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()));
  }

  async freezeAll(): Promise<void> {
    await Promise.all(this.members.map((member) => member.freeze()));
  }

  thawAll(): void {
    for (const member of this.members) member.thaw();
  }

  /** Takes a member's peers away from it, without a word to either; its clients still reach it. */
  cutFromPeers(member: ClusterMember): void {
    this.#cut.add(member);
    for (const { peers } of this.members) peers.apply();
  }

  heal(): void {
    this.#cut.clear();
    for (const { peers, clients } of this.members) {
      peers.apply();
      clients.set('open');
    }
  }

  async leader(): Promise<ClusterMember> {
    for (const member of this.members) {
      const isLeader = await this.raw(member, async (client) => {
        const { header, leader } = await client.maintenance.status();
        return header.member_id === leader;
      }).catch(() => false);
      if (isLeader) return member;
    }
    throw new Error('etcd has no leader');
  }

  async moveLeader(to: ClusterMember): Promise<void> {
    const { header } = await this.raw(to, (client) => client.maintenance.status());
    const id = BigInt(header.member_id).toString(16);
    await this.ctl(await this.leader(), 'move-leader', id);
  }

  /** A member more, of an etcd that runs. */
  async add(): Promise<ClusterMember> {
    const [first] = this.members;
    const member = await this.#make(`n${this.members.length + 1}`);
    await this.raw(first!, (client) => client.cluster.memberAdd({ peerURLs: [member.peerUrl] }));
    this.members.push(member);
    this.launch(member, 'existing');
    await this.untilAnswering(member);
    return member;
  }

  async removeMember(member: ClusterMember): Promise<void> {
    const other = this.members.find((one) => one !== member)!;
    const { header } = await this.raw(member, (client) => client.maintenance.status());
    await this.raw(other, (client) => client.cluster.memberRemove({ ID: header.member_id }));
    this.members.splice(this.members.indexOf(member), 1);
    await member.kill();
    await closeProxies(member);
  }

  async compact(): Promise<void> {
    await this.raw(this.members[0]!, async (client) => {
      const { header } = await client.kv.range({ key: Buffer.from('x') });
      await client.kv.compact({ revision: header.revision, physical: true });
    });
  }

  async backup(path = join(this.#folder, 'backup.db')): Promise<void> {
    await rm(path, { force: true });
    await this.ctl(this.members[0]!, 'snapshot', 'save', path);
  }

  /** Puts the backup in the place of all data, and starts all members on it. */
  async restore({ newCluster }: { newCluster: boolean }, path = join(this.#folder, 'backup.db')): Promise<void> {
    await this.killAll();
    if (newCluster) this.#token = `test-${++this.#restores}`;
    for (const member of this.members) {
      await rm(member.directory, { recursive: true, force: true });
      await etcdctl([
        ...['snapshot', 'restore', path, '--name', member.name, '--data-dir', member.directory],
        ...['--initial-cluster', initialCluster(this.members), '--initial-cluster-token', this.#token],
        ...['--initial-advertise-peer-urls', member.peerUrl],
      ]);
    }
    await this.startAll();
  }

  ctl(member: ClusterMember, ...args: string[]): Promise<string> {
    const { ca, cert, key } = this.#paths;
    return etcdctl(['--endpoints', member.direct, '--cacert', ca, '--cert', cert, '--key', key, ...args]);
  }

  /** A client of the package's own, straight to a member. */
  async raw<T>(member: ClusterMember, use: (client: Etcd3) => Promise<T>): Promise<T> {
    const { ca, cert, key } = this.tls;
    const credentials = {
      rootCertificate: Buffer.from(ca),
      certChain: Buffer.from(cert),
      privateKey: Buffer.from(key),
    };
    const client = new Etcd3({ hosts: member.direct, credentials });
    try {
      return await use(client);
    } finally {
      client.close();
    }
  }

  async remove(): Promise<void> {
    await this.killAll();
    await Promise.all(this.members.map(closeProxies));
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #make(name: string): Promise<ClusterMember> {
    const [clientPort, peerPort] = [await freePort(), await freePort()];
    const clients = await TcpProxy.open({ target: clientPort });
    const peers = await TcpProxy.open({
      target: peerPort,
      modeOf: (from) => (this.#isCut(member, from) ? 'silent' : 'open'),
    });
    const directory = join(this.#folder, name);
    const member: ClusterMember = new ClusterMember({ name, directory, clientPort, peerPort, clients, peers });
    return member;
  }

  #isCut(to: ClusterMember, from: number): boolean {
    if (this.#cut.size === 0) return false;
    if (this.#cut.has(to)) return true;
    const pids = this.members.flatMap(({ pid }) => pid ?? []);
    const owner = ownerOf(from, to.peers.port, pids);
    return [...this.#cut].some(({ pid }) => pid !== undefined && pid === owner);
  }
}

function initialCluster(members: ClusterMember[]): string {
  return members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(',');
}

async function closeProxies({ clients, peers }: ClusterMember): Promise<void> {
  await Promise.all([clients.close(), peers.close()]);
}
