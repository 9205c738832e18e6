/** What may be asked about the borders of tenants: their way out, and what joins their networks. */
import type { CallContext, ListFilter } from './port.ts';

/** Set as a whole: what a request leaves out is as for a tenant that nobody said anything of. */
export interface EgressView {
  /** name */
  tenant: string;
  off: boolean;
  ipv6: 'nat' | 'routed';
  /** "192.0.2.5/32", "192.0.2.5/32:5432/tcp" */
  allow: string[];
  /** names of the nodes that may lead the tenant's packets out, the first that lives first; none: each host its own */
  nodes: string[];
  /** by which the world knows the tenant then */
  addresses: string[];
  /** name of the node that leads now, and since when (ISO time); '' for none */
  leader: string;
  since: string;
}

export interface EgressRequest {
  tenant: string;
  off: boolean;
  /** '' is `nat` */
  ipv6: string;
  allow: string[];
  /** names or ids; with `addresses`, or neither */
  nodes: string[];
  /** one of a family at most, in a subnet of each node's link to the others */
  addresses: string[];
}

export interface RouterView {
  id: string;
  name: string;
  /** names */
  tenant: string;
  networks: string[];
  createdAt: string;
}

export interface RouterRequest {
  tenant: string;
  name: string;
  /** names in the tenant, TENANT/NETWORK, or ids; at least two */
  networks: string[];
}

export interface RoutingControl {
  getEgress(tenant: string): Promise<EgressView>;
  setEgress(request: EgressRequest, context?: CallContext): Promise<EgressView>;

  createRouter(request: RouterRequest, context?: CallContext): Promise<RouterView>;
  listRouters(filter: ListFilter): Promise<RouterView[]>;
  getRouter(ref: string): Promise<RouterView>;
  deleteRouter(ref: string, context?: CallContext): Promise<void>;
}
