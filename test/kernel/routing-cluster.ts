/**
 * Hosts with the reconcile loop on a real kernel, without store or daemon, and an outside beside them on the underlay:
 *
 *   host1 192.0.2.1, 2001:db8::1    host2 192.0.2.2, 2001:db8::2    outside 192.0.2.100, 2001:db8::100
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import pino from 'pino';
import { NetlinkKernel } from '../../src/kernel/adapter.ts';
import type { Publication } from '../../src/model/objects.ts';
import { SYSCTLS } from '../../src/plan/tenant.ts';
import { ReconcileLoop } from '../../src/reconcile/loop.ts';
import { clusterSettings, StateBuilder } from '../support/cluster-state.ts';
import { inside, TestUnderlay } from '../support/host-namespaces.ts';
import type { TestHost } from '../support/host-namespaces.ts';
import { until } from '../support/until.ts';
import { SERVER } from '../support/who-am-i.ts';

const DEADLINE = 10_000;
/** milliseconds without a wake or a round */
const REST = 500;

export const OUTSIDE = { ipv4: '192.0.2.100', ipv6: '2001:db8::100' } as const;

/** Of a network: 10.N.0.0/16 and fd00:N::/64. */
export const subnets = (n: number) => [
  { cidr: `10.${n}.0.0/16`, gateway: `10.${n}.0.1`, reserved: [] },
  { cidr: `fd00:${n}::/64`, gateway: `fd00:${n}::1`, reserved: [] },
];

/** The address of these that ends so. */
export const at = (host: number, n: number, last: number, ports: Publication[] = []) => ({
  host,
  addresses: [`10.${n}.0.${last}/16`, `fd00:${n}::${last}/64`],
  ports,
});

export interface RunningHost {
  host: TestHost;
  loop: ReconcileLoop;
  kernel: NetlinkKernel;
  done: Promise<void>;
}

export class RoutingCluster {
  readonly underlay: TestUnderlay;
  readonly states = new StateBuilder();
  readonly hosts: RunningHost[] = [];
  readonly outside: string;
  /** milliseconds that every host may lead what the state says it leads */
  leads = 60_000;
  #current = this.states.build();
  #lastLook = 0;
  readonly #stop = new AbortController();
  readonly #children: ChildProcess[] = [];

  constructor(name: string) {
    this.underlay = new TestUnderlay(name);
    this.outside = this.underlay.namespace('outside');
    const ip = (...args: string[]) => inside(this.outside, 'ip', ...args);
    const port = this.underlay.namespace('switch');
    ip('link', 'set', 'lo', 'up');
    ip('link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'outside', 'netns', port);
    ip('address', 'add', `${OUTSIDE.ipv4}/24`, 'dev', 'eth0');
    ip('address', 'add', `${OUTSIDE.ipv6}/64`, 'dev', 'eth0', 'nodad');
    ip('link', 'set', 'eth0', 'up');
    inside(port, 'ip', 'link', 'set', 'outside', 'master', 'br0', 'up');
  }

  start(count: number): void {
    for (let i = 0; i < count; i++) {
      const host = this.underlay.addHost();
      for (const path of ['net/ipv4/ip_forward', 'net/ipv6/conf/all/forwarding']) {
        inside(host.path, 'sysctl', '-qw', `${path}=1`);
      }
      this.states.node(host.name, host.vtep);
      this.#current = this.states.build();
      const kernel = new NetlinkKernel({
        folder: host.tenants,
        host: host.path,
        sysctls: SYSCTLS.map(([path]) => path),
        onMonitorFailure: () => undefined,
      });
      const source = {
        current: () => {
          this.#lastLook = performance.now();
          return { state: this.#current, complete: true };
        },
      };
      const log = pino({ level: process.env.WEFT_TEST_LOG ?? 'silent' });
      const leads = () => this.leads;
      const loop = new ReconcileLoop({ source, kernel, node: host.name, settings: clusterSettings(), leads, log });
      this.hosts.push({ host, loop, kernel, done: loop.run(this.#stop.signal) });
    }
  }

  /** The container's namespace. */
  endpoint(network: string, id: string, where: { host: number; addresses: string[]; ports?: Publication[] }): string {
    const path = this.underlay.namespace(id);
    this.states.endpoint(network, id, {
      node: `host${where.host}`,
      addresses: where.addresses,
      ...(where.ports ? { ports: where.ports } : {}),
      attachment: { mode: 'sandbox', path, ifname: 'eth0' },
    });
    return path;
  }

  async publish(): Promise<void> {
    this.#current = this.states.build();
    const { revision } = this.#current;
    const waits = this.hosts.flatMap(({ loop }) =>
      [...this.states.tenants.keys()].map((tenant) => {
        loop.wake({ kind: 'tenant', tenant, reason: 'test' });
        return loop.waitUntil({ revision, tenant }, { deadline: DEADLINE });
      }),
    );
    await Promise.all(waits);
  }

  /** The hosts have nothing to do any more: what is built wakes them a few times. */
  async settled(): Promise<void> {
    const rests = () => performance.now() - this.#lastLook > REST;
    await until(rests, { what: 'the hosts to come to rest', deadline: 20_000 });
  }

  tenantPath(host: number, tenant: string): string {
    return `${this.hosts[host - 1]!.host.tenants}/${tenant}`;
  }

  hostPath(host: number): string {
    return this.hosts[host - 1]!.host.path;
  }

  address(host: number, family: 'ipv4' | 'ipv6'): string {
    const { vtep, vtep6 } = this.hosts[host - 1]!.host;
    return family === 'ipv4' ? vtep : vtep6;
  }

  /** A server of test/support/who-am-i.ts. */
  async serve(path: string, ...ports: number[]): Promise<void> {
    const words = [`--net=${path}`, process.execPath, '-e', SERVER, '--', ...ports.map(String)];
    const child = spawn('nsenter', words, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#children.push(child);
    await once(child.stdout, 'data', { signal: AbortSignal.timeout(DEADLINE) });
  }

  async close(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    this.#stop.abort();
    for (const { done, kernel } of this.hosts) {
      await done;
      for (const name of await kernel.namespaces()) await kernel.removeNamespace(name);
      kernel.close();
    }
    this.underlay.remove();
  }
}
