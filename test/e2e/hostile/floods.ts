/**
 * Floods that are to fill a host's tables: neighbours, FDB and conntrack, by both families. The forging tool writes another
 * number into each copy of a frame, where it finds its mark.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { OUTSIDE } from '../../../src/lab/underlay.ts';
import { inTenant, run } from '../../support/docker.ts';
import { arp, BROADCAST, discovery, ethernet, ipv4, ipv6, udp } from '../../support/frames.ts';
import { until } from '../../support/until.ts';
import { GATEWAYS } from './scene.ts';
import type { HostileScene, Name } from './scene.ts';

const [IPV4, ARP, IPV6, UDP, ICMPV6] = [0x0800, 0x0806, 0x86dd, 17, 58];
const MARK = { mac: '02:00:ff:ee:dd:cc', ipv4: '255.238.221.204', ports: { from: 0xffee, to: 0xddcc } };
const SUBNET = { ipv4: 0x0a0a_0000, ipv6: (tail: string) => `fd00:10::${tail}` };
/** joined to evil's network, since without a router nothing is forwarded and nothing looked up for it */
const ROUTED = { subnets: ['10.20.0.0/16', 'fd00:20::/64'], gateway: '10.20.0.1', ipv4: 0x0a14_0000 };
const PORTS = 0x9c40_0000;

/** copies of a frame: a /16, and more than any table of the kernel takes */
export const [SCAN, FLOOD] = [65_536, 16_384];

interface Flood {
  frame: Buffer;
  repeat: number;
  base?: number;
}

export async function joinNetworks(scene: HostileScene): Promise<void> {
  const one = scene.lab.host(1);
  const subnets = ROUTED.subnets.flatMap((subnet) => ['--subnet', subnet]);
  await run(one, 'weft', 'network', 'create', 'crook/db', ...subnets);
  await run(one, 'weft', 'router', 'create', 'crook/core', '--network', 'web', '--network', 'db');
  const reaches = () => scene.pings('evil', ROUTED.gateway);
  await until(reaches, { what: 'evil reaches the other gateway', deadline: 30_000 });
}

/**
 * Scans of its own and of the joined network, forged senders, and a connection to each port of the outside and the gateway.
 * `most`: copies of a frame.
 */
export function sendFloods(scene: HostileScene, most = SCAN): void {
  for (const { frame, repeat, base = 0 } of [...floods4(scene), ...floods6(scene)]) {
    scene.send('evil', [frame], { repeat: Math.min(repeat, most), base });
  }
}

function floods4(scene: HostileScene): Flood[] {
  const [evil, v1] = [scene.party('evil'), scene.party('v1')];
  const out = { from: evil.mac, to: scene.gatewayMac() };
  const scan = ethernet(out, IPV4, ipv4({ from: evil.ipv4, to: MARK.ipv4, protocol: UDP }, tiny()));
  const question = arp({ senderMac: evil.mac, sender: evil.ipv4, target: MARK.ipv4 });
  const forged = ipv4({ from: MARK.ipv4, to: v1.ipv4, protocol: UDP }, tiny());
  const flow = (to: string) =>
    ethernet(out, IPV4, ipv4({ from: evil.ipv4, to, protocol: UDP }, udp(MARK.ports, Buffer.from('flow'))));
  return [
    { frame: ethernet({ from: evil.mac, to: BROADCAST }, ARP, question), repeat: SCAN, base: SUBNET.ipv4 },
    { frame: scan, repeat: SCAN, base: SUBNET.ipv4 },
    { frame: scan, repeat: SCAN, base: ROUTED.ipv4 },
    { frame: ethernet({ from: MARK.mac, to: v1.mac }, IPV4, forged), repeat: SCAN },
    { frame: flow(OUTSIDE.ipv4), repeat: FLOOD, base: PORTS },
    { frame: flow(GATEWAYS.own), repeat: FLOOD, base: PORTS },
  ];
}

function floods6(scene: HostileScene): Flood[] {
  const [evil, v1] = [scene.party('evil'), scene.party('v1')];
  const out = { from: evil.mac, to: scene.gatewayMac() };
  const packet = (to: string, payload = tiny()) =>
    ethernet(out, IPV6, ipv6({ from: evil.ipv6, to, next: UDP }, payload));
  const question = ipv6(
    { from: evil.linkLocal, to: 'ff02::1', next: ICMPV6 },
    discovery(135, SUBNET.ipv6('ffee:ddcc'), [1, evil.mac]),
  );
  const forged = ipv6({ from: SUBNET.ipv6('ffee:ddcc'), to: v1.ipv6, next: UDP }, tiny());
  const flow = udp(MARK.ports, Buffer.from('flow'));
  return [
    { frame: ethernet({ from: evil.mac, to: '33:33:00:00:00:01' }, IPV6, question), repeat: FLOOD, base: 0x1000 },
    { frame: packet(SUBNET.ipv6('ffee:ddcc')), repeat: FLOOD, base: 0x1000 },
    { frame: packet('fd00:20::ffee:ddcc'), repeat: FLOOD, base: 0x1000 },
    { frame: ethernet({ from: evil.mac, to: v1.mac }, IPV6, forged), repeat: FLOOD, base: 0x1000 },
    { frame: packet(OUTSIDE.ipv6, flow), repeat: FLOOD, base: PORTS },
    { frame: packet(SUBNET.ipv6('1'), flow), repeat: FLOOD, base: PORTS },
  ];
}

function tiny(): Buffer {
  return udp({ from: 9, to: 9 }, Buffer.from('scan'));
}

/** How full the tables are on host1; connections as they are listed, which leaves out those that are over and not yet collected. */
export async function fill(
  scene: HostileScene,
): Promise<{ neighbours: number; entries: number; connections: number[] }> {
  const one = scene.lab.host(1);
  const lines = async (...command: string[]) => (await inTenant(one, 'crook', ...command)).split('\n').length;
  const counts = ['ipv4', 'ipv6'].map((family) => ['sh', '-c', `conntrack -L -f ${family} 2>/dev/null | wc -l`]);
  const connections = counts.flatMap((count) => [run(one, ...count), inTenant(one, 'crook', ...count)]);
  return {
    neighbours: await lines('ip', 'neigh', 'show', 'nud', 'all'),
    entries: await lines('bridge', 'fdb', 'show'),
    connections: (await Promise.all(connections)).map(Number),
  };
}

/** Somebody who pings another until the end: how many were sent by then, and how many had no answer. */
export interface Pings {
  answered: () => number;
  end: () => Promise<{ sent: number; lost: number }>;
}

export function pingMeanwhile(scene: HostileScene, from: Name, to: string): Pings {
  const [command, ...words] = [...scene.enter(from), 'ping', '-n', '-i', '0.02', to] as const;
  const ping = spawn(command, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  ping.stdout.on('data', (data: Buffer) => (text += data.toString()));
  const ended = once(ping, 'close');
  return {
    answered: () => text.split(' bytes from ').length - 1,
    end: async () => {
      ping.kill('SIGINT');
      await ended;
      const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(text) ?? [];
      // The answer to the last may be on its way.
      return { sent: Number(sent), lost: Math.max(0, Number(sent) - Number(received) - 1) };
    },
  };
}
