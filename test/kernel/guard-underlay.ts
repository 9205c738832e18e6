/**
 * A host with its guard, a member of the cluster beside it, and a container behind a bridge of the host:
 *
 *   member 192.0.2.2, .3 ---- eth0 host 192.0.2.1   docker0 172.30.0.1 ---- container 172.30.0.2, and 192.0.2.2 (forged)
 *          2001:db8::2, ::3             2001:db8::1         fd30::1                   fd30::2
 *
 * The host forwards and masquerades, as one with Docker does. Packets are plain UDP datagrams laid out as VXLAN; a
 * listener on the port stands for the vxlan device's socket.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

export const OVERLAY_PORT = 14789;

export interface Packet {
  vni: number;
  mac: string;
}

/** VXLAN header and an inner Ethernet header; `note` follows, to tell packets apart. */
export function vxlan({ vni, mac }: Packet, note: string): Buffer {
  const header = Buffer.alloc(22);
  header.writeUInt8(0x08, 0);
  header.writeUIntBE(vni, 4, 3);
  return Buffer.concat([
    header.subarray(0, 8),
    Buffer.alloc(6),
    macBytes(mac),
    Buffer.from([0x08, 0]),
    Buffer.from(note),
  ]);
}

function macBytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex');
}

export class GuardUnderlay {
  readonly #prefix = `wgt${process.pid}`;
  readonly #children: ChildProcess[] = [];

  path(name: string): string {
    return `/run/netns/${this.#prefix}-${name}`;
  }

  run(name: string, command: string): string {
    const arguments_ = [`--net=${this.path(name)}`, ...command.split(' ')];
    return execFileSync('nsenter', arguments_, { encoding: 'utf8' });
  }

  up(): void {
    for (const name of ['host', 'member', 'container']) {
      execFileSync('ip', ['netns', 'add', `${this.#prefix}-${name}`]);
      this.run(name, 'ip link set lo up');
    }
    this.#join({ name: 'host', link: 'eth0' }, { name: 'member', link: 'eth0' });
    this.#join({ name: 'host', link: 'docker0' }, { name: 'container', link: 'eth0' });
    this.#address('host', 'eth0', ['192.0.2.1/24', '2001:db8::1/64']);
    this.#address('member', 'eth0', ['192.0.2.2/24', '192.0.2.3/24', '2001:db8::2/64', '2001:db8::3/64']);
    this.#address('host', 'docker0', ['172.30.0.1/24', 'fd30::1/64']);
    this.#address('container', 'eth0', ['172.30.0.2/24', 'fd30::2/64', '192.0.2.2/32', '2001:db8::2/128']);
    this.run('container', 'ip route add default via 172.30.0.1');
    this.run('container', 'ip route add default via fd30::1');
    for (const key of ['ipv4.ip_forward=1', 'ipv6.conf.all.forwarding=1', 'ipv4.conf.all.rp_filter=0']) {
      this.run('host', `sysctl -qw net.${key}`);
    }
    execFileSync('nsenter', [`--net=${this.path('host')}`, 'nft', '-f', '-'], {
      input:
        'table inet foreign { chain post { type nat hook postrouting priority srcnat; oifname "eth0" masquerade; }; }\n',
    });
  }

  down(): void {
    for (const child of this.#children) child.kill('SIGKILL');
    for (const name of ['host', 'member', 'container']) {
      execFileSync('ip', ['netns', 'delete', `${this.#prefix}-${name}`]);
    }
  }

  /** Sends one datagram from an address of that namespace. */
  send(name: string, route: { from: string; to: string; port?: number }, payload: Buffer): void {
    const script = `
      const [from, to, port, hex] = process.argv.slice(1);
      const socket = require('node:dgram').createSocket(to.includes(':') ? 'udp6' : 'udp4');
      socket.bind(0, from, () => socket.send(Buffer.from(hex, 'hex'), Number(port), to, () => socket.close()));`;
    const target = [route.from, route.to, String(route.port ?? OVERLAY_PORT), payload.toString('hex')];
    execFileSync('nsenter', [`--net=${this.path(name)}`, process.execPath, '-e', script, '--', ...target]);
  }

  /** Listens on a port of all addresses of both families. */
  async listen(name: string, port: number = OVERLAY_PORT): Promise<Listener> {
    const script = `
      const port = Number(process.argv[1]);
      const socket = require('node:dgram').createSocket('udp6');
      socket.on('message', (data) => console.log(data.subarray(22).toString()));
      socket.bind(port, () => console.log('listening'));`;
    const child = spawn('nsenter', [`--net=${this.path(name)}`, process.execPath, '-e', script, '--', String(port)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#children.push(child);
    const listener = new Listener(child);
    await listener.until('listening');
    return listener;
  }

  #join(a: { name: string; link: string }, b: { name: string; link: string }): void {
    this.run(a.name, `ip link add ${a.link} type veth peer name ${b.link} netns ${this.path(b.name)}`);
    this.run(a.name, `ip link set ${a.link} up`);
    this.run(b.name, `ip link set ${b.link} up`);
  }

  #address(name: string, link: string, addresses: string[]): void {
    for (const address of addresses) {
      this.run(name, `ip address add ${address} dev ${link}${address.includes(':') ? ' nodad' : ''}`);
    }
  }
}

/** The notes of the packets that arrived, in order. */
export class Listener {
  readonly heard: string[] = [];
  #wake: () => void = () => undefined;

  constructor(child: ChildProcess) {
    createInterface({ input: child.stdout! }).on('line', (line) => {
      this.heard.push(line);
      this.#wake();
    });
  }

  async until(note: string): Promise<void> {
    const end = AbortSignal.timeout(5_000);
    while (!this.heard.includes(note)) {
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve;
        end.addEventListener('abort', () => reject(new Error(`heard ${this.heard.join(', ')}, not ${note}`)), {
          once: true,
        });
      });
    }
  }
}
