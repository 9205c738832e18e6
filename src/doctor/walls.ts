/** Limits of the kernel that a host runs into as it fills. */
import { BRIDGE_PORTS } from '../model/limits.ts';
import type { Check } from './checks.ts';

/** of a bridge's ports: from here on it is worth to know */
const MANY_PORTS = 900;
/** of the limit of connections */
const NEARLY = 0.8;
/** Neighbours that a container may talk to at once: its gateway and a few others. */
const NEIGHBOURS_EACH = 4;

export const checkWalls: Check = ({ node, state, facts: { connections, neighbourLimits } }) => {
  const local = [...state.endpoints.values()].filter((endpoint) => endpoint.node === node.id);
  const ports = new Map<string, number>();
  for (const { network } of local) ports.set(network, (ports.get(network) ?? 0) + 1);
  const needed = local.length * NEIGHBOURS_EACH;
  return [
    ...[...ports]
      .filter(([, count]) => count >= MANY_PORTS)
      .map(([network, count]) => ({
        code: 'bridge-nearly-full',
        object: state.networks.get(network)?.name ?? network,
        evidence: `${count} endpoints of the network are on this host; a bridge holds ${BRIDGE_PORTS - 1}`,
        command: 'start further containers on other hosts',
      })),
    ...(connections && connections.used > connections.most * NEARLY
      ? [
          {
            code: 'connections-nearly-full',
            object: 'net.netfilter.nf_conntrack_max',
            evidence: `${connections.used} of ${connections.most} connections are tracked; above that packets are dropped`,
            command: `sysctl -w net.netfilter.nf_conntrack_max=${connections.most * 2}`,
          },
        ]
      : []),
    ...(['ipv4', 'ipv6'] as const).flatMap((family) => {
      const limit = neighbourLimits[family];
      if (limit === undefined || limit >= needed) return [];
      const object = `net.${family}.neigh.default.gc_thresh3`;
      const evidence = `${limit} neighbours are all that this host and its ${local.length} containers can know together`;
      return [{ code: 'neighbours-too-few', object, evidence, command: `sysctl -w ${object}=${needed * 2}` }];
    }),
  ];
};
