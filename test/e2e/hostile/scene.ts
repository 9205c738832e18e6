/**
 * A container that is root with NET_RAW and NET_ADMIN, in a lab with those that it is not to reach:
 *
 *   crook/web  host1: evil v1   host2: v2 w2       bank/web  host1: bank1   host2: bank2
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { EndpointView, NetworkView } from '../../../src/control/port.ts';
import type { Lab } from '../../../src/lab/lab.ts';
import { formatAddress } from '../../../src/model/address/address.ts';
import { linkLocalOf, macFor } from '../../../src/model/address/mac.ts';
import { json, run } from '../../support/docker.ts';
import { Forger } from '../../support/forge.ts';
import type { Enter } from '../../support/forge.ts';
import type { Party } from '../../support/forgeries.ts';
import { FrameCapture } from '../../support/frame-capture.ts';
import { ethernet, ipv4, udp } from '../../support/frames.ts';
import { until } from '../../support/until.ts';
import type { Foreign } from './foreign.ts';

export const PUBLISHED = 17_777;
const ENDPOINTS = {
  evil: ['crook/web', 1],
  v1: ['crook/web', 1, `${PUBLISHED}:9/udp`],
  v2: ['crook/web', 2, `${PUBLISHED}:9/udp`],
  w2: ['crook/web', 2],
  bank1: ['bank/web', 1],
  bank2: ['bank/web', 2],
} as const;
export type Name = keyof typeof ENDPOINTS;
const VICTIMS = ['v1', 'v2', 'bank1', 'bank2'] as const;
const SUBNETS = {
  'crook/web': ['10.10.0.0/16', 'fd00:10::/64'],
  'bank/web': ['10.77.0.0/16', 'fd00:77::/64'],
};
/** of crook/web and of bank/web */
export const GATEWAYS = { own: '10.10.0.1', others: '10.77.0.1' };
const [IPV4, UDP] = [0x0800, 17];

/** What is looked for where frames arrive: by a name, bytes of one of them. */
export type Traces = ReadonlyMap<string, Buffer>;

export class HostileScene {
  readonly lab: Lab;
  readonly foreign: Foreign;
  readonly #forger = new Forger();
  readonly #parties = new Map<Name, Party>();
  readonly #vnis = new Map<string, number>();

  private constructor(lab: Lab, foreign: Foreign) {
    this.lab = lab;
    this.foreign = foreign;
  }

  /** `foreign`: on host1, and none of weft's. */
  static async raise(lab: Lab, foreign: Foreign): Promise<HostileScene> {
    const scene = new HostileScene(lab, foreign);
    await scene.#raise();
    return scene;
  }

  party(name: Name): Party {
    return this.#parties.get(name)!;
  }

  /** A command in the namespace, from outside of its host. */
  enter(name: Name | 'foreign'): Enter {
    if (name === 'foreign') return ['nsenter', `--net=${this.foreign.netns}`];
    return ['nsenter', `--net=/proc/${this.lab.host(ENDPOINTS[name][1]).initPid}/root/run/netns/${name}`];
  }

  /** Of the gateway in evil's network. */
  gatewayMac(): string {
    return macFor(this.#vnis.get('crook/web')!, GATEWAYS.own);
  }

  /** Of the network that evil must not reach, as its packets would be inside VXLAN. */
  get others(): { vni: number; gatewayMac: string } {
    const vni = this.#vnis.get('bank/web')!;
    return { vni, gatewayMac: macFor(vni, GATEWAYS.others) };
  }

  async pings(from: Name, to: string): Promise<boolean> {
    const [command, ...args] = [...this.enter(from), 'ping', '-c', '1', '-W', '1', to] as const;
    const [code] = (await once(spawn(command, args, { stdio: 'ignore' }), 'exit')) as [number | null];
    return code === 0;
  }

  /** Puts frames on the interface of one, each as often as it is said; ends when the kernel has them. */
  send(from: Name | 'foreign', frames: readonly Buffer[], flood?: { repeat: number; base?: number }): void {
    this.#forger.send(this.enter(from), frames, flood);
  }

  /** What of the traces arrived, as "name at place": at the victims or on the underlay. */
  async arrivals(frames: Partial<Record<'evil' | 'foreign', readonly Buffer[]>>, traces: Traces): Promise<string[]> {
    const captures = new Map<string, FrameCapture>();
    const capture = async (place: string, enter: readonly string[], link: string) =>
      captures.set(place, await FrameCapture.start(enter, link));
    const places = VICTIMS.map((name) => capture(name, this.enter(name), 'eth0'));
    try {
      await Promise.all([...places, capture('underlay', ['nsenter', '-t', String(this.lab.switchPid), '-n'], 'any')]);
      if (frames.foreign) this.send('foreign', frames.foreign);
      // What has not come before the last frame does not come.
      const last = (['v1', 'v2'] as const).map((name) => this.#honest(name));
      this.send('evil', [...(frames.evil ?? []), ...last]);
      const [toV1, toV2] = last as [Buffer, Buffer];
      await until(() => captures.get('v1')!.saw(toV1), { what: 'the last frame at v1' });
      await until(() => captures.get('v2')!.saw(toV2), { what: 'the last frame at v2' });
      await until(() => captures.get('underlay')!.saw(toV2), { what: 'the last frame on the underlay' });
      return [...captures].flatMap(([place, one]) =>
        [...traces].filter(([, bytes]) => one.saw(bytes)).map(([what]) => `${what} at ${place}`),
      );
    } finally {
      await Promise.all([...captures.values()].map((one) => one.stop()));
    }
  }

  end(): void {
    this.#forger.remove();
  }

  #honest(to: 'v1' | 'v2'): Buffer {
    const [from, other] = [this.party('evil'), this.party(to)];
    const datagram = udp({ from: 9, to: 9 }, Buffer.from('end'));
    const packet = ipv4({ from: from.ipv4, to: other.ipv4, protocol: UDP }, datagram);
    return ethernet({ from: from.mac, to: other.mac }, IPV4, packet);
  }

  async #raise(): Promise<void> {
    const one = this.lab.host(1);
    for (const [name, subnets] of Object.entries(SUBNETS)) {
      await run(one, 'weft', 'tenant', 'create', name.split('/')[0] ?? '');
      const options = subnets.flatMap((subnet) => ['--subnet', subnet]);
      const { vni } = await json<NetworkView>(one, 'weft', 'network', 'create', name, ...options);
      this.#vnis.set(name, vni);
    }
    await Promise.all((Object.keys(ENDPOINTS) as Name[]).map((name) => this.#attach(name)));
    for (const [from, to] of [
      ['evil', 'v2'],
      ['v1', 'v2'],
      ['bank1', 'bank2'],
    ] as const) {
      await until(() => this.pings(from, this.party(to).ipv4), { what: `${from} reaches ${to}`, deadline: 30_000 });
    }
  }

  async #attach(name: Name): Promise<void> {
    const [network, number, published] = [...ENDPOINTS[name], undefined] as const;
    const host = this.lab.host(number);
    await run(host, 'ip', 'netns', 'add', name);
    const ports = published === undefined ? [] : ['-p', published];
    const words = ['weft', 'endpoint', 'attach', network, '--netns', `/run/netns/${name}`, '--name', name, ...ports];
    const { addresses, mac } = await json<EndpointView>(host, ...words);
    const [first = '', second = ''] = addresses.map((cidr) => cidr.split('/')[0] ?? '').sort(byFamily);
    this.#parties.set(name, { mac, ipv4: first, ipv6: second, linkLocal: formatAddress(linkLocalOf(mac)) });
  }
}

function byFamily(a: string, b: string): number {
  return Number(a.includes(':')) - Number(b.includes(':'));
}
