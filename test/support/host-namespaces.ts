/** "Hosts" for kernel tests: namespaces on one underlay switch, each with folders of its own, without any daemon. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { createNamespace, deleteNamespace } from 'netlink-ts';

export interface TestHost {
  name: string;
  /** its namespace file */
  path: string;
  /** where its tenants' namespaces go */
  tenants: string;
  vtep: string;
  vtep6: string;
}

/** What a command prints; throws with its stderr when it fails. */
export function inside(path: string, command: string, ...args: string[]): string {
  return execFileSync('nsenter', [`--net=${path}`, command, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

export function succeeds(path: string, command: string, ...args: string[]): boolean {
  try {
    inside(path, command, ...args);
    return true;
  } catch {
    return false;
  }
}

export class TestUnderlay {
  readonly folder: string;
  readonly hosts: TestHost[] = [];
  readonly #paths: string[] = [];

  constructor(name: string) {
    this.folder = `/run/weft-test-${process.pid}-${name}`;
    mkdirSync(this.folder, { recursive: true });
    this.#ip('switch', 'link', 'add', 'br0', 'type', 'bridge');
    this.#ip('switch', 'link', 'set', 'br0', 'up');
  }

  addHost(): TestHost {
    const n = this.hosts.length + 1;
    const host: TestHost = {
      name: `host${n}`,
      path: this.namespace(`host${n}`),
      tenants: `${this.folder}/tenants${n}`,
      vtep: `192.0.2.${n}`,
      vtep6: `2001:db8::${n}`,
    };
    const ip = (...args: string[]) => inside(host.path, 'ip', ...args);
    ip('link', 'set', 'lo', 'up');
    // As on a host with an engine: without it, that containers have no way out is a condition of its own.
    inside(host.path, 'sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
    ip('link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', `p${n}`, 'netns', this.namespace('switch'));
    ip('address', 'add', `${host.vtep}/24`, 'dev', 'eth0');
    ip('address', 'add', `${host.vtep6}/64`, 'dev', 'eth0', 'nodad');
    ip('link', 'set', 'eth0', 'up');
    this.#ip('switch', 'link', 'set', `p${n}`, 'master', 'br0', 'up');
    this.hosts.push(host);
    return host;
  }

  /** The path of a namespace of that name; made when it is asked for first. */
  namespace(name: string): string {
    const path = `${this.folder}/${name}`;
    if (!this.#paths.includes(path)) {
      createNamespace(path);
      this.#paths.push(path);
    }
    return path;
  }

  remove(): void {
    for (const path of this.#paths.splice(0)) deleteNamespace(path);
    rmSync(this.folder, { recursive: true, force: true });
  }

  #ip(name: string, ...args: string[]): void {
    inside(this.namespace(name), 'ip', ...args);
  }
}
