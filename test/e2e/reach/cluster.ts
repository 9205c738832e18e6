/** The table's networks and containers in a lab, with somebody at each place who asks and answers. */
import { spawn } from 'node:child_process';
import type { EndpointView } from '../../../src/control/port.ts';
import type { Lab, LabHost } from '../../../src/lab/lab.ts';
import { OUTSIDE } from '../../../src/lab/underlay.ts';
import { json, run } from '../../support/docker.ts';
import { Post, POST } from '../../support/post.ts';
import { ENDPOINTS, NETWORKS, PORT } from './table.ts';

export class ReachCluster {
  readonly #lab: Lab;
  readonly #addresses = new Map<string, string[]>([['outside', [OUTSIDE.ipv4, OUTSIDE.ipv6]]]);
  readonly #posts = new Map<string, Post>();

  private constructor(lab: Lab) {
    this.#lab = lab;
  }

  static async raise(lab: Lab): Promise<ReachCluster> {
    const cluster = new ReachCluster(lab);
    await cluster.#raise();
    return cluster;
  }

  /** Of an endpoint, a host or the outside: one of each family. */
  addressesOf(name: string): string[] {
    return this.#addresses.get(name) ?? [];
  }

  /** Of an endpoint, a host or the outside. */
  post(name: string): Post {
    const post = this.#posts.get(name);
    if (post === undefined) throw new Error(`there is nobody at ${name}`);
    return post;
  }

  /** The host that a place is on. */
  hostOf(name: string): LabHost {
    return this.#lab.host(ENDPOINTS[name]?.[1] ?? name);
  }

  end(): void {
    for (const post of this.#posts.values()) post.end();
  }

  async #raise(): Promise<void> {
    const one = this.#lab.host(1);
    for (const tenant of new Set(NETWORKS.map(({ name }) => name.split('/')[0]!))) {
      await run(one, 'weft', 'tenant', 'create', tenant);
    }
    for (const { name, subnets, internal } of NETWORKS) {
      const options = subnets.flatMap((subnet) => ['--subnet', subnet]);
      await run(one, 'weft', 'network', 'create', name, ...options, ...(internal ? ['--internal'] : []));
    }
    await run(one, 'weft', 'router', 'create', 'acme/core', '--network', 'web', '--network', 'db');
    const hosts = this.#lab.hosts.map(async (host) => {
      this.#addresses.set(host.name, [host.address4, host.address6]);
      await this.#man(host.name, host);
      // One after the other: an attach has a deadline, and a machine that also starts all the posts is busy.
      for (const name of Object.keys(ENDPOINTS)) if (this.hostOf(name) === host) await this.#attach(name, host);
    });
    await Promise.all([this.#manOutside(), ...hosts]);
  }

  async #attach(name: string, host: LabHost): Promise<void> {
    const [network, , published] = ENDPOINTS[name]!;
    await run(host, 'ip', 'netns', 'add', name);
    const ports = published === undefined ? [] : ['tcp', 'udp'].flatMap((one) => ['-p', `${published}:${PORT}/${one}`]);
    const words = ['weft', 'endpoint', 'attach', network, '--netns', `/run/netns/${name}`, '--name', name, ...ports];
    const { addresses } = await json<EndpointView>(host, ...words);
    this.#addresses.set(
      name,
      addresses.map((cidr) => cidr.split('/')[0] ?? ''),
    );
    await this.#man(name, host, ['nsenter', `--net=/run/netns/${name}`]);
  }

  async #man(name: string, host: LabHost, enter: readonly string[] = []): Promise<void> {
    this.#posts.set(name, await Post.of(await host.spawn([...enter, 'node', '-e', POST, '--', String(PORT)])));
  }

  async #manOutside(): Promise<void> {
    const words = ['-t', String(this.#lab.switchPid), '-n', process.execPath, '-e', POST, '--', String(PORT)];
    this.#posts.set('outside', await Post.of(spawn('nsenter', words, { stdio: ['pipe', 'pipe', 'inherit'] })));
  }
}
