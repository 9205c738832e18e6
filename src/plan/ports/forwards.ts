/**
 * The published ports of a host. Two translations lead a packet to its container, since subnets may overlap between tenants:
 * the host's namespace gives it the tenant's end of the uplink as destination, the tenant's gives it the container's.
 * Between the two a publication is told apart by its port alone, which is the host's own where no other of the tenant has
 * it (one port on two addresses of the host): the oldest keeps it, so that a newcomer moves nobody. Pure.
 */
import { bareAddress } from '../../model/address/cidr.ts';
import type { ClusterSettings, ClusterState } from '../../model/cluster.ts';
import type { Endpoint, PortProtocol } from '../../model/objects.ts';
import { ANY, addressesAsked, familiesOf, familyOf, formatPlace } from '../../model/ports/places.ts';
import type { Place } from '../../model/ports/places.ts';
import type { Transit } from '../routing/transit.ts';
import type { PortForward } from './intent.ts';

/** Endpoints of a node with ports that can lead anywhere, the oldest first. */
export function publishers(state: ClusterState, node: string): Endpoint[] {
  const own = [...state.endpoints.values()].filter(
    ({ node: owner, ports, network, tenant }) =>
      owner === node &&
      ports !== undefined &&
      ports.length > 0 &&
      state.tenants.has(tenant) &&
      state.networks.get(network)?.internal === false,
  );
  return own.sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** `transits`: by tenant id */
export function forwardsOf(
  state: ClusterState,
  { node, settings }: { node: string; settings: ClusterSettings },
  transits: ReadonlyMap<string, Transit>,
): PortForward[] {
  const slots = new Map<string, Slots>();
  const forwards = publishers(state, node).flatMap((endpoint) => {
    const transit = transits.get(endpoint.tenant)?.tenant;
    if (!transit) return [];
    const own = slots.get(endpoint.tenant) ?? new Slots(settings.overlayPort);
    slots.set(endpoint.tenant, own);
    return forwardsOfEndpoint(endpoint, transit, own);
  });
  return forwards.sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
}

function forwardsOfEndpoint(endpoint: Endpoint, transit: { ipv4: string; ipv6: string }, slots: Slots): PortForward[] {
  const addresses = endpoint.addresses.map(bareAddress);
  return (endpoint.ports ?? []).flatMap(({ protocol, address, hostPort, port }) => {
    const slot = slots.take(protocol, hostPort);
    return addressesAsked(address, familiesOf(addresses)).flatMap((host): PortForward[] => {
      const family = familyOf(host);
      const container = addresses.find((one) => familyOf(one) === family);
      if (slot === undefined || container === undefined) return [];
      return [
        {
          ...{ endpoint: endpoint.id, tenant: endpoint.tenant, family, protocol },
          host: { address: host, port: hostPort },
          transit: { address: family === 4 ? transit.ipv4 : transit.ipv6, port: slot },
          container: { address: container, port },
        },
      ];
    });
  });
}

/** Ports of one tenant's end of its uplink. */
class Slots {
  readonly #overlayPort: number;
  readonly #taken = new Set<string>();

  constructor(overlayPort: number) {
    this.#overlayPort = overlayPort;
  }

  /** Undefined when all are taken, and for the port of the overlay, which nothing may lead away. */
  take(protocol: PortProtocol, wanted: number): number | undefined {
    if (protocol === 'udp' && wanted === this.#overlayPort) return undefined;
    for (const port of candidates(wanted)) {
      const key = `${protocol} ${port}`;
      if (this.#taken.has(key) || port === this.#overlayPort) continue;
      this.#taken.add(key);
      return port;
    }
    return undefined;
  }
}

function* candidates(wanted: number): Generator<number> {
  yield wanted;
  for (let port = 65_535; port > 0; port--) yield port;
}

/** What a host holds by sockets, so that nobody else serves there: each once, in the order of the forwards. */
export function socketsOf(forwards: readonly PortForward[]): Place[] {
  const places = forwards.map(({ protocol, host }) => ({ protocol, ...host }));
  return [...new Map(places.map((place) => [formatPlace(place), place])).values()];
}

export function isEverywhere({ host, family }: PortForward): boolean {
  return host.address === ANY[family];
}

function sortKey({ protocol, host }: PortForward): string {
  return `${host.address} ${protocol} ${String(host.port).padStart(5, '0')}`;
}
