/** Connections of every kind that is tracked, in a namespace of their own, alive until it is removed. */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { until } from '../../../test/support/until.ts';
import { inNamespace } from './namespaces.ts';

const RULESET = `table inet test {
  chain first { type filter hook output priority raw
    ip daddr 10.0.0.3 ct zone set 7
    ip saddr 10.0.0.3 ct zone set 7
    ip daddr 10.0.0.4 ct original zone set 9
  }
  chain arriving { type filter hook prerouting priority raw
    ip daddr 10.0.0.3 ct zone set 7
    ip saddr 10.0.0.3 ct zone set 7
    ip daddr 10.0.0.4 ct original zone set 9
  }
  chain marks { type filter hook output priority 0
    ip daddr 10.0.0.3 ct mark set 0x1234 ct label set 5
  }
  chain destinations { type nat hook output priority -100
    ip daddr 10.0.0.99 tcp dport 80 dnat ip to 10.0.0.2:8080
  }
  chain sources { type nat hook postrouting priority 100
    ip daddr 10.0.0.2 udp dport 5353 snat ip to 10.0.0.5:4000
  }
}`;

export class Flows {
  readonly #netns: string;
  readonly #children: ChildProcess[] = [];

  constructor(netns: string) {
    this.#netns = netns;
    const run = (command: string, ...args: string[]) => inNamespace(netns, command, ...args);
    run('ip', 'link', 'set', 'lo', 'up');
    for (const last of [1, 2, 3, 4, 5, 99]) run('ip', 'address', 'add', `10.0.0.${last}/32`, 'dev', 'lo');
    run('ip', 'address', 'add', 'fd00::2/128', 'dev', 'lo', 'nodad');
    run('sysctl', '-qw', 'net.netfilter.nf_conntrack_acct=1', 'net.netfilter.nf_conntrack_timestamp=1');
    execFileSync('nsenter', [`--net=${netns}`, 'nft', '-f', '-'], { input: RULESET });
  }

  /** One of each kind: seven flows. */
  async begin(): Promise<void> {
    const listeners = ['TCP-LISTEN:8080,bind=10.0.0.2,fork', 'TCP-LISTEN:8080,bind=10.0.0.3,fork'];
    for (const listener of [...listeners, 'UDP-LISTEN:5353,bind=10.0.0.2,fork']) this.#socat(listener, 'EXEC:cat');
    await until(() => inNamespace(this.#netns, 'ss', '-Htuln').trim().split('\n').length === 3, { what: 'listeners' });
    this.open('TCP:10.0.0.99:80,bind=10.0.0.1:33001');
    this.open('TCP:10.0.0.3:8080,bind=10.0.0.1:33002');
    this.open('UDP:10.0.0.2:5353,bind=10.0.0.1:33003');
    this.open('UDP:10.0.0.4:9999,bind=10.0.0.1:33004');
    inNamespace(this.#netns, 'ping', '-c1', '-q', '10.0.0.2');
    inNamespace(this.#netns, 'ping', '-c1', '-q', 'fd00::2');
    const sctp = '-I -p sctp -s 10.0.0.1 -d 10.0.0.2 --sport 10 --dport 20 --state ESTABLISHED -t 300';
    this.tool(...sctp.split(' '), '--orig-vtag', '11', '--reply-vtag', '12');
    // The kernel has no more to say of them: the greeting is there and back.
    await until(() => this.listed().filter((line) => line.includes('ASSURED')).length === 2, {
      what: 'connections',
    });
    await until(() => this.listed().length === 7, { what: 'seven flows' });
  }

  /** Says something, and keeps the connection. */
  open(address: string): ChildProcess {
    const client = this.#socat('-', address);
    client.stdin?.write('hello\n');
    return client;
  }

  /** What the tool lists. */
  listed(...args: string[]): string[] {
    const text = this.tool('-L', '-o', 'extended,id', ...args);
    return text.split('\n').filter((line) => line.includes('src='));
  }

  /** What the tool prints, without its remarks on how much that was. */
  tool(...args: string[]): string {
    return execFileSync('nsenter', [`--net=${this.#netns}`, 'conntrack', ...args], { encoding: 'utf8', stdio: 'pipe' });
  }

  end(): void {
    for (const child of this.#children) child.kill();
  }

  #socat(...args: string[]): ChildProcess {
    const child = spawn('nsenter', [`--net=${this.#netns}`, 'socat', ...args], { stdio: ['pipe', 'ignore', 'ignore'] });
    child.stdin.on('error', () => undefined);
    this.#children.push(child);
    return child;
  }
}
