/** What the packet filters let through where a tenant's packets are routed, said in weft's own terms. */
import type { EgressException } from '../../model/objects.ts';
import type { HostPorts, PortForward, Service } from '../ports/intent.ts';

/** In a tenant's namespace. */
export interface TenantRouting {
  /** ordered pairs of bridges that a router joins, sorted */
  routed: [from: string, to: string][];
  /** null: no uplink */
  out: TenantOut | null;
}

export interface TenantOut {
  uplink: string;
  /** true: containers only answer by it */
  closed: boolean;
  /** whose containers may leave, sorted */
  bridges: string[];
  /** false: IPv6 goes out with the containers' own addresses */
  nat6: boolean;
  borders: Borders;
  allow: EgressException[];
  /** of this host, to this tenant's containers; absent: none */
  ports?: PortForward[];
  /** absent: what leaves leaves here; of the given families it goes to another host, or nowhere */
  elsewhere?: { link: string; families: readonly (4 | 6)[] };
}

/** What no container reaches unless its tenant's egress allows it. */
export interface Borders {
  /** CIDR text, sorted, disjoint */
  guarded: string[];
  /** of those: addresses where names may be asked for (port 53) */
  resolvers: string[];
  /** of those, and of others: what is there for everybody */
  published: Service[];
}

/** In the host's namespace. */
export interface HostEgress {
  transit4: string;
  transit6: string;
  borders: Borders;
  /** the host's link to the others; undefined where its node did not say */
  underlay: string | undefined;
  /** by name of the link, sorted */
  uplinks: HostUplink[];
  /** absent: none */
  ports?: HostPorts;
}

export interface HostUplink {
  link: string;
  /** true: nothing begins there */
  closed: boolean;
  allow: EgressException[];
  /** the address that the world sees for one of the tenant's end of the uplink; absent: the host's own */
  pinned?: { from: string; to: string }[];
}
