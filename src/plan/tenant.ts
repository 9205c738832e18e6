/**
 * What one tenant's namespace on this host should hold: per network a bridge, a vxlan device, the ports of local
 * endpoints, and forwarding and neighbour entries for every endpoint of the network. No frame is ever flooded into
 * VXLAN: whoever is not in these tables does not exist.
 */
import { formatAddress } from '../model/address/address.ts';
import { bareAddress, parseInterfaceAddress } from '../model/address/cidr.ts';
import { linkLocalOf } from '../model/address/mac.ts';
import { linksFor, routesFor } from '../model/routes.ts';
import type { ClusterSettings, ClusterState } from '../model/cluster.ts';
import { linkNames } from '../model/names.ts';
import { sandboxOf } from '../model/objects.ts';
import type { Endpoint, Network, Node, SharedAddress } from '../model/objects.ts';
import { holderOf, sharedByNetwork } from '../model/shared.ts';
import { ALIAS_PREFIX } from './objects.ts';
import type { KernelObject, PortFlags, PortPeer } from './objects.ts';
import { gatewayMac } from './routing/gateways.ts';
import { pinnedOf, relayObjects } from './routing/pinned.ts';
import { joined, presentNetworks } from './routing/presence.ts';
import { uplinkObjects } from './routing/uplink-objects.ts';
import { routingOf } from './routing/picture.ts';

export interface TenantPlan {
  /** file name of the namespace; the tenant's name */
  namespace: string;
  objects: KernelObject[];
}

/** Suppression answers what is asked of remote endpoints, so nothing has to be flooded to them. */
const VXLAN_PORT: PortFlags = {
  learning: false,
  neighSuppress: true,
  unicastFlood: false,
  mcastFlood: false,
  bcastFlood: false,
};

/** Local ARP and neighbour discovery live on broadcast and multicast; unknown unicast has nowhere to go. */
const ENDPOINT_PORT: PortFlags = {
  learning: false,
  neighSuppress: false,
  unicastFlood: false,
  mcastFlood: true,
  bcastFlood: true,
};

/**
 * `default` values are inherited by every link made later, and so precede them. Forwarding is as without routers and
 * uplinks; with them it is on.
 */
export const SYSCTLS: readonly [path: string, value: string][] = [
  ['net/ipv4/ip_forward', '0'],
  ['net/ipv6/conf/all/forwarding', '0'],
  ['net/ipv6/conf/default/forwarding', '0'],
  ['net/ipv6/conf/default/accept_ra', '0'],
  ['net/ipv6/conf/default/accept_dad', '0'],
  // What is routed comes and goes by different links. Ports take no source but the endpoint's own.
  ['net/ipv4/conf/all/rp_filter', '0'],
  ['net/ipv4/conf/default/rp_filter', '0'],
  // A new namespace inherits 1, which costs a fifth of the connects per second and serves policies only.
  ['net/bridge/bridge-nf-call-iptables', '0'],
  ['net/bridge/bridge-nf-call-ip6tables', '0'],
  ['net/bridge/bridge-nf-call-arptables', '0'],
];

/** Undefined: nothing of the tenant is present here, and its namespace should not be. */
export function planTenant(
  state: ClusterState,
  context: { node: string; settings: ClusterSettings; tenant: string },
): TenantPlan | undefined {
  const tenant = state.tenants.get(context.tenant);
  const node = state.nodes.get(context.node);
  if (!tenant || !node) return undefined;
  const present = presentNetworks(state, node.id);
  const endpoints = byNetwork(state);
  const shared = sharedByNetwork(state);
  const objects = [...state.networks.values()]
    .filter((network) => network.tenant === tenant.id && present.has(network.id))
    .flatMap((network) => {
      const members = endpoints.get(network.id) ?? [];
      const moving = shared.get(network.id) ?? [];
      return planNetwork(state, network, { node, settings: context.settings, members, moving });
    });
  if (objects.length === 0) return undefined;
  const uplink = routingOf(state, context).uplinks.get(tenant.id);
  const forwards = uplink !== undefined || hasRouter(state, tenant.id);
  if (uplink) objects.push(...uplinkObjects(uplink, node.underlayMtu));
  const pinned = uplink && pinnedOf(state, tenant.id);
  if (pinned) objects.push(...relayObjects(state, pinned, { node, settings: context.settings }));
  return { namespace: tenant.name, objects: [...settings(forwards), ...objects] };
}

function hasRouter(state: ClusterState, tenant: string): boolean {
  return [...state.routers.values()].some((router) => router.tenant === tenant && joined(state, router).length > 1);
}

function settings(forwards: boolean): KernelObject[] {
  return SYSCTLS.map(([path, off]) => {
    const value = forwards && /forward(ing)?$/.test(path) ? '1' : off;
    return { kind: 'sysctl', path, value };
  });
}

/** Sorted once for all networks: a plan's cost grows with the endpoints, not with their product with the networks. */
function byNetwork(state: ClusterState): Map<string, Endpoint[]> {
  const groups = new Map<string, Endpoint[]>();
  for (const endpoint of state.endpoints.values()) {
    const group = groups.get(endpoint.network);
    if (group) group.push(endpoint);
    else groups.set(endpoint.network, [endpoint]);
  }
  return groups;
}

function planNetwork(
  state: ClusterState,
  network: Network,
  host: { node: Node; settings: ClusterSettings; members: readonly Endpoint[]; moving: readonly SharedAddress[] },
): KernelObject[] {
  const bridge = linkNames.bridge(network.vni);
  const vxlan = linkNames.vxlan(network.vni);
  const shared = { mtu: network.mtu, up: true };
  const reached = host.members.flatMap((endpoint) => planEndpoint(state, network, endpoint, host.node));
  return [
    {
      kind: 'bridge',
      name: bridge,
      alias: `${ALIAS_PREFIX}bridge:${network.id}`,
      mac: gatewayMac(network),
      mcastSnooping: false,
      ...shared,
    },
    ...gatewayAddresses(network, bridge),
    {
      kind: 'vxlan',
      name: vxlan,
      alias: `${ALIAS_PREFIX}vxlan:${network.id}`,
      bridge,
      vni: network.vni,
      local: host.node.vtep,
      udpPort: host.settings.overlayPort,
      flags: VXLAN_PORT,
      ...shared,
    },
    ...reached,
    ...movingEntries(state, bridge, { moving: host.moving, reached }),
  ];
}

function gatewayAddresses(network: Network, bridge: string): KernelObject[] {
  if (network.internal) return [];
  return network.subnets.map(({ cidr, gateway }) => ({
    kind: 'address',
    link: bridge,
    cidr: `${gateway}/${cidr.split('/')[1] ?? ''}`,
  }));
}

function planEndpoint(state: ClusterState, network: Network, endpoint: Endpoint, node: Node): KernelObject[] {
  const neighbours = neighbourEntries(network, endpoint);
  if (endpoint.node === node.id) {
    const peer = peerOf(network, endpoint);
    const port = linkNames.port(endpoint.id);
    return peer ? [planPort(network, endpoint, peer), master(port, endpoint.mac), ...neighbours] : [];
  }
  const dst = state.nodes.get(endpoint.node)?.vtep;
  if (dst === undefined) return [];
  const vxlan = linkNames.vxlan(network.vni);
  return [
    { kind: 'fdb', link: vxlan, mac: endpoint.mac, via: 'self', dst },
    master(vxlan, endpoint.mac),
    ...neighbours,
  ];
}

/** Of shared addresses whose holder is reached from here. */
function movingEntries(
  state: ClusterState,
  link: string,
  { moving, reached }: { moving: readonly SharedAddress[]; reached: readonly KernelObject[] },
): KernelObject[] {
  const macs = new Set(reached.flatMap((object) => (object.kind === 'fdb' ? [object.mac] : [])));
  return moving.flatMap((shared): KernelObject[] => {
    const mac = holderOf(state, shared)?.mac;
    if (mac === undefined || !macs.has(mac)) return [];
    return [{ kind: 'neighbour', link, address: shared.address, mac, announced: true }];
  });
}

function planPort(network: Network, endpoint: Endpoint, peer: PortPeer): KernelObject {
  return {
    kind: 'port',
    name: linkNames.port(endpoint.id),
    alias: `${ALIAS_PREFIX}port:${endpoint.id}`,
    mtu: endpoint.mtu,
    up: true,
    bridge: linkNames.bridge(network.vni),
    flags: ENDPOINT_PORT,
    peer,
  };
}

/** Undefined until the engine has said where the container is. */
function peerOf(network: Network, endpoint: Endpoint): PortPeer | undefined {
  const { attachment } = endpoint;
  const sandbox = sandboxOf(attachment);
  if (sandbox === null) return undefined;
  const routes = routesFor(network, endpoint.addresses);
  const links = linksFor(network, endpoint.addresses);
  return {
    endpoint: endpoint.id,
    mac: endpoint.mac,
    mtu: endpoint.mtu,
    addresses: endpoint.addresses,
    gateways: network.internal ? [] : gatewaysOf(network, endpoint),
    ...(routes.length > 0 ? { routes } : {}),
    ...(links.length > 0 ? { links } : {}),
    handover: attachment.mode === 'engine' ? linkNames.container(endpoint.id) : null,
    sandbox,
    ifname: attachment.mode === 'sandbox' ? attachment.ifname : 'eth0',
  };
}

function gatewaysOf(network: Network, endpoint: Endpoint): string[] {
  return endpoint.addresses.flatMap((text) => {
    const own = parseInterfaceAddress(text);
    const subnet = network.subnets.find(({ cidr }) => {
      const parsed = parseInterfaceAddress(cidr);
      return own && parsed && parsed.cidr.family === own.cidr.family && parsed.cidr.first === own.cidr.first;
    });
    return subnet ? [subnet.gateway] : [];
  });
}

function master(link: string, mac: string): KernelObject {
  return { kind: 'fdb', link, mac, via: 'master', dst: null };
}

/** On the bridge device: what neighbour suppression answers from. Link-local ones where the network speaks IPv6. */
function neighbourEntries(network: Network, endpoint: Endpoint): KernelObject[] {
  const link = linkNames.bridge(network.vni);
  const addresses = endpoint.addresses.map(bareAddress);
  if (addresses.some((address) => address.includes(':'))) addresses.push(formatAddress(linkLocalOf(endpoint.mac)));
  return addresses.map((address) => ({ kind: 'neighbour', link, address, mac: endpoint.mac }));
}
