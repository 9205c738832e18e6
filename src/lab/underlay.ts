/**
 * The network between the hosts: a bridge in a namespace of its own, and for each host a veth whose outer end, named after
 * the host, is a port of that bridge.
 */
import { runTool } from './failure.ts';
import type { HostState, LabState, ProcessId } from './state.ts';

const BRIDGE = 'switch';

export function address4(number: number): string {
  return `192.0.2.${number}`;
}

export function address6(number: number): string {
  return `2001:db8::${number.toString(16)}`;
}

/** The switch itself, which stands for the world outside of the cluster. */
export const OUTSIDE = { ipv4: address4(254), ipv6: address6(254) } as const;

/** The same in every life of the host, as a network card's is: others go on sending to it. */
function macOf(number: number): string {
  return `02:00:c0:00:02:${number.toString(16).padStart(2, '0')}`;
}

/** A bridge without an address of its own takes the lowest of its ports', and another one when that port is cut off. */
export async function prepareSwitch(holder: ProcessId): Promise<void> {
  await ip(holder, [
    `link add ${BRIDGE} address ${macOf(254)} type bridge mcast_snooping 0 forward_delay 0`,
    `link set ${BRIDGE} up`,
    `addr add ${OUTSIDE.ipv4}/24 dev ${BRIDGE}`,
    `addr add ${OUTSIDE.ipv6}/64 dev ${BRIDGE} nodad`,
  ]);
}

/** eth0 with its addresses, in a host that has just come up. A port left over from its life before is replaced. */
export async function plugIn(lab: LabState, host: HostState): Promise<void> {
  const { switch: holder } = lab;
  const { init, name, number } = host;
  if (holder === undefined || init === undefined) throw new Error(`${name} is not up`);
  const mtu = `mtu ${lab.underlayMtu}`;
  await ip(holder, [`link del ${name}`]).catch(() => undefined);
  await ip(holder, [
    `link add ${name} ${mtu} type veth peer name eth0 ${mtu} address ${macOf(number)} netns ${init.pid}`,
    `link set ${name} master ${BRIDGE} up`,
  ]);
  await ip(init, [
    'link set eth0 up',
    `addr add ${address4(number)}/24 dev eth0`,
    `addr add ${address6(number)}/64 dev eth0 nodad`,
  ]);
}

/** Takes the host's port off the switch: both ends stay up, so nobody is told; packets are just lost. */
export async function cutPort(holder: ProcessId, host: string): Promise<void> {
  await ip(holder, [`link set ${host} nomaster`]);
}

export async function healPort(holder: ProcessId, host: string): Promise<void> {
  await ip(holder, [`link set ${host} master ${BRIDGE}`]);
}

/** The names of the hosts whose ports are on the switch. */
export async function connectedHosts(holder: ProcessId): Promise<Set<string>> {
  const args = ['-t', String(holder.pid), '-n', 'ip', '-j', 'link', 'show', 'master', BRIDGE];
  const links = JSON.parse((await runTool('nsenter', args)) || '[]') as { ifname?: string }[];
  return new Set(links.map((link) => link.ifname ?? ''));
}

async function ip(holder: ProcessId, lines: string[]): Promise<void> {
  const args = ['-t', String(holder.pid), '-n', 'ip', '-batch', '-'];
  await runTool('nsenter', args, { stdin: 'pipe', input: `${lines.join('\n')}\n` });
}
