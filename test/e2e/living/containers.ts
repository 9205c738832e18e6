/** Containers of Docker engines, on networks of weft's and on Docker's own, and a stranger behind a bridge that nobody manages. */
import type { LabHost } from '../../../src/lab/lab.ts';
import { createDockerNetwork, run } from '../../support/docker.ts';

const SUBNETS = { shop: ['10.10.0.0/16', 'fd00:10::/64'], rival: ['10.77.0.0/16', 'fd00:77::/64'] };
export const STRANGER = { subnet: '172.31.9.0/24', gateway: '172.31.9.1', address: '172.31.9.2' };

/** A network namespace on a host, and who is in it. */
export interface Place {
  host: LabHost;
  /** of a process in it, in the host's numbering */
  pid: string;
  mac: string;
  ipv4: string;
  ipv6: string;
}

/** An engine that goes keeps its containers, and one that comes finds a host that does not forward: then it makes it drop. */
export async function prepareEngine(host: LabHost): Promise<void> {
  await host.kill('dockerd');
  await run(host, 'sed', '-i', 's/^{/{ "live-restore": true,/', '/etc/docker/daemon.json');
  await startEngine(host);
}

export async function startEngine(host: LabHost): Promise<void> {
  await run(host, 'sysctl', '-q', '-w', 'net.ipv4.ip_forward=0');
  await host.start('dockerd');
}

export function network(host: LabHost, tenant: 'shop' | 'rival'): Promise<void> {
  return createDockerNetwork(host, { tenant, name: tenant, subnets: SUBNETS[tenant] });
}

/** On docker0 without a network of ours. */
export async function container(host: LabHost, name: string, tenant?: string, ...options: string[]): Promise<Place> {
  const on = tenant === undefined ? [] : ['--network', tenant];
  await run(host, 'docker', 'run', '-d', '--name', name, ...on, ...options, 'box', 'sleep', '3600');
  const addresses = `{{range .NetworkSettings.Networks}}{{.MacAddress}} {{.IPAddress}} {{.GlobalIPv6Address}}{{end}}`;
  const text = await run(host, 'docker', 'inspect', '-f', `{{.State.Pid}} ${addresses}`, name);
  const [pid = '', mac = '', ipv4 = '', ipv6 = ''] = text.split(' ');
  return { host, pid, mac, ipv4, ipv6 };
}

export async function addStranger(host: LabHost): Promise<void> {
  const script = `ip netns add stranger
    ip link add br-stranger type bridge
    ip address add ${STRANGER.gateway}/24 dev br-stranger
    ip link add vstranger up master br-stranger type veth peer name eth0 netns stranger
    ip link set br-stranger up
    ip -n stranger address add ${STRANGER.address}/24 dev eth0
    ip -n stranger link set eth0 up
    ip -n stranger route add default via ${STRANGER.gateway}`;
  await run(host, 'sh', '-ec', script);
}
