import type { BlockRecord } from './ipam/blocks.ts';
import type {
  AddressRecord,
  Binding,
  Egress,
  EgressHolder,
  Endpoint,
  EndpointDescription,
  EngineRecord,
  Network,
  Node,
  Router,
  SharedAddress,
  Tenant,
} from './objects.ts';

/** A consistent picture of the cluster: what planning starts from. Maps are keyed by id and never changed in place. */
export interface ClusterState {
  /** the store's revision it stands for */
  revision: number;
  /** of this node's journal, laid over it */
  sequence: number;
  tenants: ReadonlyMap<string, Tenant>;
  networks: ReadonlyMap<string, Network>;
  nodes: ReadonlyMap<string, Node>;
  /** ids of the nodes whose lease lives */
  live: ReadonlySet<string>;
  endpoints: ReadonlyMap<string, Endpoint>;
  /** ids of endpoints that the store may not show yet: this node's own, and those of which others told */
  unpublished: ReadonlySet<string>;
  /** by key */
  bindings: ReadonlyMap<string, Binding>;
  /** by key */
  addresses: ReadonlyMap<string, AddressRecord>;
  /** by key */
  blocks: ReadonlyMap<string, BlockRecord>;
  /** by endpoint id */
  descriptions: ReadonlyMap<string, EndpointDescription>;
  /** by key */
  engines: ReadonlyMap<string, EngineRecord>;
  /** by tenant id */
  egress: ReadonlyMap<string, Egress>;
  /** by tenant id */
  egressHolders: ReadonlyMap<string, EgressHolder>;
  routers: ReadonlyMap<string, Router>;
  /** by key */
  shared: ReadonlyMap<string, SharedAddress>;
  /** of the records of tenants, networks and endpoints, by id: what an update compares */
  revisions: ReadonlyMap<string, number>;
}

/** Constants that all nodes of a cluster share, fixed when it is made (`cluster/settings`). */
export interface ClusterSettings {
  id: string;
  overlayPort: number;
  vtepFamily: 4 | 6;
  vniFirst: number;
  vniLast: number;
  createdAt: string;
}

export const DEFAULT_SETTINGS = {
  overlayPort: 14789,
  vniFirst: 0x100000,
  vniLast: 0xffffff,
} as const;

/** Bytes that VXLAN adds around a container's IP packet: outer IP 20 or 40, UDP 8, VXLAN 8, inner Ethernet 14. */
export function overlayOverhead(family: 4 | 6): number {
  return (family === 4 ? 20 : 40) + 8 + 8 + 14;
}
