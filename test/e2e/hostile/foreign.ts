/** A container behind a bridge that is none of weft's, as Docker's own are. */
import type { LabHost } from '../../../src/lab/lab.ts';
import { run } from '../../support/docker.ts';

export interface Foreign {
  /** path, from outside of its host */
  netns: string;
  mac: string;
  ipv4: string;
  ipv6: string | undefined;
  /** the MAC of its bridge, which is its gateway */
  gatewayMac: string;
}

/** As dockerd does it: a bridge, a veth, and source NAT for what leaves. */
export async function bridgeForeign(host: LabHost): Promise<Foreign> {
  const [gatewayMac, mac] = ['02:42:00:00:00:01', '02:42:00:00:00:02'];
  const [gateway, ipv4] = ['172.17.0.1', '172.17.0.2'];
  const [gateway6, ipv6] = ['fd00:172::1', 'fd00:172::2'];
  const script = `ip netns add foreign
    ip link add docker0 address ${gatewayMac} type bridge
    ip address add ${gateway}/16 dev docker0
    ip address add ${gateway6}/64 dev docker0 nodad
    ip link add vforeign up master docker0 type veth peer name eth0 address ${mac} netns foreign
    ip link set docker0 up
    ip -n foreign address add ${ipv4}/16 dev eth0
    ip -n foreign address add ${ipv6}/64 dev eth0 nodad
    ip -n foreign link set eth0 up
    ip -n foreign route add default via ${gateway}
    ip -n foreign route add default via ${gateway6}
    nft add table inet foreign
    nft add chain inet foreign out '{ type nat hook postrouting priority 100 ; }'
    nft add rule inet foreign out ip saddr 172.17.0.0/16 oifname != docker0 masquerade
    nft add rule inet foreign out ip6 saddr fd00:172::/64 oifname != docker0 masquerade`;
  await run(host, 'sh', '-ec', script);
  return { netns: `/proc/${host.initPid}/root/run/netns/foreign`, mac, ipv4, ipv6, gatewayMac };
}

/** A container on docker0, which has IPv4 alone, by the pid that its host knows it by. */
export async function dockersOwn(
  host: LabHost,
  container: { pid: string; mac: string; ipv4: string },
): Promise<Foreign> {
  const { pid, mac, ipv4 } = container;
  const gatewayMac = await run(host, 'cat', '/sys/class/net/docker0/address');
  return { netns: `/proc/${host.initPid}/root/proc/${pid}/ns/net`, mac, ipv4, ipv6: undefined, gatewayMac };
}
