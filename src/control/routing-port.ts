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
}

export interface EgressRequest {
  tenant: string;
  off: boolean;
  /** '' is `nat` */
  ipv6: string;
  allow: string[];
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
