/** What the packet filters let through where a tenant's packets are routed, said in weft's own terms. */
import type { EgressException } from '../../model/objects.ts';

/** In a tenant's namespace. */
export interface TenantRouting {
  /** ordered pairs of bridges that a router joins, sorted */
  routed: [from: string, to: string][];
  /** null: no way out */
  out: TenantOut | null;
}

export interface TenantOut {
  uplink: string;
  /** whose containers may leave, sorted */
  bridges: string[];
  /** false: IPv6 goes out with the containers' own addresses */
  nat6: boolean;
  borders: Borders;
  allow: EgressException[];
}

/** What no container reaches unless its tenant's egress allows it. */
export interface Borders {
  /** CIDR text, sorted, disjoint */
  guarded: string[];
  /** of those: addresses where names may be asked for (port 53) */
  resolvers: string[];
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
}

export interface HostUplink {
  link: string;
  allow: EgressException[];
}
