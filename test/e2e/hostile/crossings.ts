/** What a container sends to get into another tenant's network, each with a text of its own to be looked for where it arrives. */
import { BROADCAST, ethernet, ipv4, ipv6, udp, vxlan } from '../../support/frames.ts';
import { GATEWAYS, PUBLISHED } from './scene.ts';
import type { HostileScene } from './scene.ts';

export const OVERLAY_PORT = 14789;
const [IPV4, IPV6, UDP] = [0x0800, 0x86dd, 17];
const OTHERS = ['bank1', 'bank2'] as const;

export interface Crossings {
  frames: Buffer[];
  traces: Map<string, Buffer>;
}

class Texts {
  readonly traces = new Map<string, Buffer>();

  of(what: string): Buffer {
    const bytes = Buffer.from(`astray: ${what}.`);
    this.traces.set(what, bytes);
    return bytes;
  }
}

interface Sender {
  from: string;
  to: string;
  ipv4: string;
  ipv6: string | undefined;
}

/** By the gateway's MAC, by the other's own, and by broadcast. */
export function direct(scene: HostileScene): Crossings {
  const texts = new Texts();
  const evil = scene.party('evil');
  const frames = OTHERS.flatMap((name) =>
    [scene.gatewayMac(), scene.party(name).mac, BROADCAST].flatMap((mac) => {
      const sender = { from: evil.mac, to: mac, ipv4: evil.ipv4, ipv6: evil.ipv6 };
      return datagrams(sender, { to: scene.party(name), ports: { from: 9, to: 9 } }, (family) =>
        texts.of(`IPv${family} for ${name} to ${mac}`),
      );
    }),
  );
  return { frames, traces: texts.traces };
}

/** VXLAN of its own to every host: to the overlay's port and to one that a container of the network has published. */
export function encapsulated(scene: HostileScene, from: 'evil' | 'foreign'): Crossings {
  const texts = new Texts();
  const frames = scene.lab.hosts.flatMap(({ name, address4, address6 }) =>
    OTHERS.flatMap((other) =>
      [PUBLISHED, OVERLAY_PORT].flatMap((port) => {
        const target = { to: { ipv4: address4, ipv6: address6 }, ports: { from: 4243, to: port } };
        return datagrams(senderOf(scene, from), target, (family) => {
          const text = texts.of(encapsulatedName({ from, to: name, port, family }, other));
          return vxlan({ vni: scene.others.vni, frame: inner(scene, other, text) });
        });
      }),
    ),
  );
  return { frames, traces: texts.traces };
}

export function encapsulatedName(
  { from, to, port, family }: { from: 'evil' | 'foreign'; to: string; port: number; family: number },
  other: 'bank1' | 'bank2',
): string {
  return `VXLAN of ${from} for ${other} by IPv${family} to ${to} port ${port}`;
}

function senderOf(scene: HostileScene, from: 'evil' | 'foreign'): Sender {
  const { mac, ipv4, ipv6 } = from === 'evil' ? scene.party('evil') : scene.foreign;
  return { from: mac, to: from === 'evil' ? scene.gatewayMac() : scene.foreign.gatewayMac, ipv4, ipv6 };
}

/** As that network's gateway would send it. */
function inner(scene: HostileScene, other: 'bank1' | 'bank2', text: Buffer): Buffer {
  const { mac, ipv4: to } = scene.party(other);
  const packet = ipv4({ from: GATEWAYS.others, to, protocol: UDP }, udp({ from: 9, to: 9 }, text));
  return ethernet({ from: scene.others.gatewayMac, to: mac }, IPV4, packet);
}

/** One of each family that the sender has. */
function datagrams(
  sender: Sender,
  { to, ports }: { to: { ipv4: string; ipv6: string }; ports: { from: number; to: number } },
  content: (family: 4 | 6) => Buffer,
): Buffer[] {
  const four = ipv4({ from: sender.ipv4, to: to.ipv4, protocol: UDP }, udp(ports, content(4)));
  const frames = [ethernet(sender, IPV4, four)];
  if (sender.ipv6 === undefined) return frames;
  const six = ipv6({ from: sender.ipv6, to: to.ipv6, next: UDP }, udp(ports, content(6)));
  return [...frames, ethernet(sender, IPV6, six)];
}
