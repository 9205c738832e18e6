/**
 * The objects of a cluster as they stand in etcd (design.md section 4). Values are JSON; every record names its own id,
 * and readers keep fields they do not know. Times are RFC 3339 text, addresses canonical text, MACs lower case.
 */

export type Origin =
  /** made by name through the API: stays until it is deleted by name */
  | 'user'
  /** made by an engine's create: goes with its last binding and endpoint */
  | 'engine';

export interface Tenant {
  id: string;
  name: string;
  origin: Origin;
  createdAt: string;
}

export interface Subnet {
  /** "10.10.0.0/16", "fd00:1::/64": network address and prefix length */
  cidr: string;
  /** an address of the subnet, without prefix length */
  gateway: string;
  /** addresses and ranges (CIDR) that are never given to endpoints, beside gateway, network and broadcast address */
  reserved: string[];
}

/** "10.9.0.0/16" through an address of the network, "10.1.0.254" */
export interface StaticRoute {
  destination: string;
  via: string;
}

export interface Network {
  id: string;
  /** id of the tenant */
  tenant: string;
  name: string;
  vni: number;
  /** at least one; several of one family are allowed; addresses are given from the first of each family with room */
  subnets: Subnet[];
  /** no gateway and no default route inside containers */
  internal: boolean;
  /** of the bridge, the vxlan and every container interface */
  mtu: number;
  /** in every container, beside the gateway's; absent: none */
  routes?: StaticRoute[];
  origin: Origin;
  createdAt: string;
  /** absent in records that are older than labels of networks */
  labels?: Record<string, string>;
  /** being deleted: nothing new may be bound or attached to it; `force` also ends what is */
  leaving?: { since: string; force: boolean };
}

export interface Node {
  id: string;
  name: string;
  /** outer address of its VXLAN packets */
  vtep: string;
  /** MTU of the interface that carries `vtep` */
  underlayMtu: number;
  bootId: string;
  version: string;
  /** the highest of the cluster's state that it reads (level.ts) */
  level?: number;
  createdAt: string;
  /** "192.0.2.1:7781": where its peers and joining hosts reach it; absent before it first listened */
  api?: string;
  /** holds the cluster's CA, so that it can certify others */
  signs?: boolean;
  /** where others find the etcd that this node runs or uses */
  storeEndpoints?: string[];
  /** its link to the others */
  interface?: string;
  /** by which it can be reached; the VTEP among them */
  addresses?: string[];
  /** CIDR text, of that link */
  subnets?: string[];
}

/** `tokens/<id>`: what lets hosts join. The secret itself is nowhere. */
export interface TokenRecord {
  id: string;
  role: 'node';
  /** SHA-256 of the secret, in hex */
  hash: string;
  /** how many hosts may still join by it */
  uses: number;
  expiresAt: string;
  createdAt: string;
  createdBy: string;
}

/** `certificates/<node>/<serial>`: issued by the cluster's CA, kept until it has expired. */
export interface CertificateRecord {
  node: string;
  serial: string;
  notAfter: string;
}

/** `forgotten/<node>`: no longer of the cluster; its certificates count no more. */
export interface ForgottenNode {
  id: string;
  name: string;
  at: string;
}

/** `fence/<node>`: how far the node's journal has flowed to the store, advanced by every batch of it. */
export interface FenceRecord {
  node: string;
  bootId: string;
  /** of the journal: everything up to it is in the store */
  sequence: number;
  /** id of the restoration of the store after which the node wrote again what it owns */
  recovered?: string;
}

/** `cluster/restoration`: the recovery from a backup of the store that is under way, or the last one. */
export interface RestorationRecord {
  id: string;
  startedAt: string;
  /** id of the restored store's cluster: a record that a backup brought along names another */
  cluster?: string;
  resumedAt?: string;
}

/** `epochs/<node>`: compared by every transaction of the node; raised when the node is forgotten. */
export interface EpochRecord {
  node: string;
  epoch: number;
}

/** `live/<node>`, on a lease: gone means "not heard from", never "remove what it holds". */
export interface NodeLife {
  node: string;
  bootId: string;
}

export type EngineType = 'docker' | 'manual';

export interface EngineRef {
  type: EngineType;
  /** the engine's own ids; empty for `manual` */
  networkId: string;
  endpointId: string;
  container: EngineContainer | null;
}

export interface EngineContainer {
  id: string;
  name: string;
  image: string;
  project: string;
}

/** How the container's end of the veth pair gets to where it belongs. */
export type Attachment =
  /** weft makes it inside the namespace file `path`, names it `ifname` and configures it */
  | { mode: 'sandbox'; path: string; ifname: string }
  /** the engine takes it from the host's namespace and configures it; `sandbox` is its namespace file, null before Join */
  | { mode: 'engine'; sandbox: string | null };

/** The namespace file of the container; null until the engine has said where it is. */
export function sandboxOf(attachment: Attachment): string | null {
  return attachment.mode === 'sandbox' ? attachment.path : attachment.sandbox;
}

export interface Endpoint {
  id: string;
  name: string;
  /** ids */
  tenant: string;
  network: string;
  node: string;
  bootId: string;
  /** "10.1.2.3/16": with the prefix length of the subnet; at most one of each family */
  addresses: string[];
  mac: string;
  mtu: number;
  engine: EngineRef;
  attachment: Attachment;
  labels: Record<string, string>;
  createdAt: string;
  /** of its node, which lead to it; absent: none */
  ports?: Publication[];
}

export type PortProtocol = 'tcp' | 'udp' | 'sctp';

/** A port of a node that leads to a port of an endpoint. */
export interface Publication {
  protocol: PortProtocol;
  /** of the node; '' is every one, "0.0.0.0" and "::" are those of one family */
  address: string;
  hostPort: number;
  port: number;
}

export type AddressState = 'held' | 'bound' | 'resting';

export interface AddressRecord {
  network: string;
  /** without prefix length */
  address: string;
  state: AddressState;
  /** endpoint id; null unless bound */
  endpoint: string | null;
  node: string;
  bootId: string;
  /** when the state began: shown to people, never used to measure time */
  since: string;
  /** of the endpoint, where its engine told it with the request: gets a resting address of its own back */
  name?: string;
  /** this one and no other was wanted: the container that has it by configuration will want it again */
  wanted?: true;
}

/**
 * `shared/<network>/<address>`: an address that several endpoints have in their own configuration and one answers for.
 * An endpoint that is gone counts for nothing, also as the holder.
 */
export interface SharedAddress {
  network: string;
  /** without prefix length */
  address: string;
  /** ids of those that may hold it, in the order in which they were named; none while it rests after it was given up */
  endpoints: string[];
  /** id; null: nobody, until one of them announces it */
  holder: string | null;
  /** what made it the holder's */
  by: 'command' | 'announcement';
  /** when it became the holder's, or began to rest */
  since: string;
  /** the network keeps the address back for this alone */
  reserved: boolean;
  createdAt: string;
}

/** An engine's own network object, tied to one of our networks, on one node. */
export interface Binding {
  network: string;
  node: string;
  engine: EngineType;
  /** the engine's id of its network */
  engineId: string;
  createdAt: string;
  /**
   * weft made the engine's network itself, to keep engines in step, while the engine had this id: such a binding does
   * not keep our network alive, and its removal by a user of that engine is a wish
   */
  synced?: string;
}

/** `labels/<endpoint>`: what the engine told of an endpoint's container after the attach. */
export interface EndpointDescription {
  endpoint: string;
  network: string;
  node: string;
  container: EngineContainer;
  labels: Record<string, string>;
}

export type EngineState = 'connected' | 'away';

/** `engines/<node>/<engine>`: a container engine as its own node sees it. */
export interface EngineRecord {
  node: string;
  engine: 'docker';
  state: EngineState;
  /** the engine's own id: another one means that its records are gone */
  id: string;
  version: string;
  liveRestore: boolean;
  since: string;
  /** ids of networks that a user of the engine removed there: not made again until asked for */
  declined: string[];
  /** networks that could not be brought in step, by their name in the engine */
  problems: EngineProblem[];
}

export interface EngineProblem {
  name: string;
  reason: string;
  /** the next command */
  next: string;
}

/** Reached although it is protected: hosts of the cluster, their daemons, metadata services. */
export interface EgressException {
  /** "192.0.2.5/32" */
  cidr: string;
  /** absent: every protocol and port */
  service?: { protocol: PortProtocol; port: number };
}

/** `egress/<tenant>`: how a tenant's containers reach the world. A tenant without one does, by NAT, from every host. */
export interface Egress {
  tenant: string;
  off: boolean;
  /** `routed`: the world sees the containers' own addresses, and must know the way back to them */
  ipv6: 'nat' | 'routed';
  allow: EgressException[];
  /** absent: out of the host where the container is, by that host's address */
  pin?: EgressPin;
}

/** The nodes that lead a tenant's packets out, one at a time, and the addresses the world sees then. */
export interface EgressPin {
  /** ids; the first that lives leads */
  nodes: string[];
  /** one of a family at most; a family without one leaves as without a pin */
  addresses: string[];
  /** of the way between the tenant's hosts to the one that leads */
  vni: number;
}

/** `egress-holders/<tenant>`, on a lease of the node that leads: nobody else does while it stands. */
export interface EgressHolder {
  tenant: string;
  node: string;
  /** the lease: a node that lost it, and has another, has to claim anew */
  session: string;
  since: string;
}

/** `routers/<tenant>/<id>`: joins networks of one tenant. Ids of networks that are gone count for nothing. */
export interface Router {
  id: string;
  tenant: string;
  name: string;
  /** ids, sorted */
  networks: string[];
  createdAt: string;
}
