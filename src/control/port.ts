/**
 * The use cases of weft: all that the API and the engines may ask. Every change of state enters here. References are
 * names ("acme", "acme/web", "acme/web/db"), ids, or unique prefixes of ids. All failures are WeftErrors.
 */
import type { EngineRef, EngineState, Origin } from '../model/objects.ts';
import type { Condition } from '../model/status.ts';
import type { StoreState } from '../store/port.ts';
import type { EngineControl, EngineFollowing } from './engines/port.ts';
import type { ExaminationControl } from './examination/port.ts';
import type { PortsControl } from './ports/port.ts';
import type { RoutingControl } from './routing-port.ts';
import type { SharingControl } from './sharing/port.ts';

export interface CallContext {
  signal?: AbortSignal;
  /** ms that the caller can wait for this host's kernel; an engine's plugin call has HANDLER_DEADLINE */
  patience?: number;
  /** who calls over TCP: the node its certificate names, if it showed one, and where from */
  peer?: { node: string | undefined; address: string };
}

export interface TenantView {
  id: string;
  name: string;
  networks: number;
  origin: Origin;
  createdAt: string;
  /** of the record in the store: what an update compares */
  revision: number;
}

export interface SubnetView {
  cidr: string;
  gateway: string;
  reserved: string[];
  /** addresses that endpoints can have, and those bound, held or resting; decimal text since a /64 exceeds 2^53 */
  capacity: string;
  used: string;
  bound: string;
  held: string;
  resting: string;
  free: string;
  /** of the capacity, what is not free; whole, rounded down */
  percentUsed: number;
}

export interface NetworkView {
  id: string;
  name: string;
  tenant: string;
  vni: number;
  subnets: SubnetView[];
  internal: boolean;
  mtu: number;
  endpoints: number;
  origin: Origin;
  state: 'ready' | 'leaving';
  /** node name, engine and the engine's id of each binding */
  bindings: { node: string; engine: string; engineId: string }[];
  labels: Record<string, string>;
  createdAt: string;
  revision: number;
}

/** `creating` until the owner node's kernel has it; `lost` while the owner's lease is gone; `fenced`: this node was fenced, the port is down. */
export type EndpointState = 'creating' | 'ready' | 'failed' | 'lost' | 'fenced';

export interface EndpointView {
  id: string;
  name: string;
  /** names */
  tenant: string;
  network: string;
  node: string;
  addresses: string[];
  mac: string;
  mtu: number;
  engine: EngineRef;
  sandbox: string;
  labels: Record<string, string>;
  state: EndpointState;
  published: boolean;
  createdAt: string;
  revision: number;
  /** frames of the endpoint that its host dropped, by reason; counted by `getEndpoint` on that host, else empty */
  drops: Record<string, number>;
  /** addresses that it may hold, and whether it does */
  shared: { address: string; holds: boolean }[];
}

export interface NodeView {
  id: string;
  name: string;
  vtep: string;
  underlayMtu: number;
  /** its lease lives */
  live: boolean;
  endpoints: number;
  version: string;
  createdAt: string;
  /** "192.0.2.1:7781", '' before it first listened */
  api: string;
  /** it can certify others */
  signs: boolean;
  /** of the cluster's state: the highest that it reads */
  level: number;
}

/** `own`: a user of the engine made it and it stays with that engine. */
export type EngineNetworkState = 'present' | 'pending' | 'declined' | 'clash' | 'own';

export interface EngineNetworkView {
  /** TENANT/NETWORK */
  network: string;
  /** in the engine */
  name: string;
  state: EngineNetworkState;
  reason: string;
  next: string;
}

export interface EngineView {
  node: string;
  engine: string;
  state: EngineState;
  id: string;
  version: string;
  liveRestore: boolean;
  since: string;
  networks: EngineNetworkView[];
}

export interface TokenRequest {
  ttlSeconds: number;
  uses: number;
}

export interface TokenView {
  id: string;
  role: 'node';
  uses: number;
  expiresAt: string;
  createdAt: string;
  createdBy: string;
}

export interface JoinRequest {
  tokenId: string;
  secret: string;
  /** what the cluster is to call the new node */
  name: string;
  /** signing requests, PEM: for its peers, and for etcd */
  nodeCsr: string;
  clientCsr: string;
}

export interface Membership {
  nodeId: string;
  /** PEM */
  ca: string;
  nodeCertificate: string;
  clientCertificate: string;
  storeEndpoints: string[];
}

export interface SplitSpaceRequest {
  /** the network's id */
  network: string;
  /** the CIDR of its subnet */
  pool: string;
  /** exactly this address; '' for any space */
  address: string;
  /** CIDR to stay within; '' for the whole pool */
  range: string;
}

export interface HintRequest {
  /** of the caller's journal: the store knows the records once the caller's fence has it */
  sequence: number;
  /** values as JSON */
  put: { key: string; value: string }[];
  delete: string[];
  /** of the caller; '' from one that does not tell */
  bootId: string;
}

export interface PointToStoreRequest {
  /** "https://192.0.2.1:2379" */
  endpoints: string[];
}

export interface StatusView {
  node: string;
  version: string;
  /** of the cluster's state: the highest that all nodes read */
  level: number;
  store: { state: StoreState; revision: number };
  applied: { revision: number; sequence: number };
  /** what was repaired because it had been changed behind weft's back, by kind of kernel object */
  repairs: { total: number; byKind: Record<string, number> };
  conditions: Condition[];
}

export interface SubnetRequest {
  cidr: string;
  gateway?: string;
  reserved?: string[];
}

export interface NetworkRequest {
  tenant: string;
  name: string;
  /** empty: one IPv4 subnet is chosen */
  subnets: SubnetRequest[];
  internal?: boolean;
  /** left out: the largest that fits every node's underlay */
  mtu?: number;
  labels?: Record<string, string>;
}

/** Labels given are set, those with an empty value removed. `revision` 0: whatever the object's is. */
export interface NetworkUpdate {
  ref: string;
  revision: number;
  labels: Record<string, string>;
  reserve: string[];
  unreserve: string[];
}

/** `revision` 0: whatever the network's is. */
export interface NetworkExtension {
  ref: string;
  revision: number;
  subnet: SubnetRequest;
}

export interface EndpointUpdate {
  ref: string;
  revision: number;
  labels: Record<string, string>;
}

export interface AttachRequest {
  /** TENANT/NETWORK */
  network: string;
  /** a network namespace file */
  netns: string;
  /** at most one of each family, without prefix length */
  addresses?: string[];
  name?: string;
  labels?: Record<string, string>;
  /** "8080:80", "192.0.2.1:53:53/udp", "80": as Docker has them */
  publish?: string[];
}

/** What is undefined or empty does not narrow; nor does what a kind of object does not have. */
export interface ListFilter {
  tenant?: string;
  network?: string;
  node?: string;
  /** "key=value" or "key" */
  labels?: string[];
  state?: string;
  /** a container's name or the beginning of its id */
  container?: string;
  /** compose project */
  project?: string;
}

export type WatchKind = 'tenant' | 'network' | 'endpoint' | 'node' | 'engine';

/** One of the objects, by kind: as it is now, or as it was before it was removed. None with `synced`. */
export type WatchEvent = { revision: number; at: string } & (
  | { type: 'synced'; kind: '' }
  | ({ type: 'added' | 'changed' | 'removed' } & (
      | { kind: 'tenant'; tenant: TenantView }
      | { kind: 'network'; network: NetworkView }
      | { kind: 'endpoint'; endpoint: EndpointView }
      | { kind: 'node'; node: NodeView }
      | { kind: 'engine'; engine: EngineView }
    ))
);

export interface WatchRequest extends ListFilter {
  /** none: all */
  kinds: string[];
}

export interface Control extends RoutingControl, ExaminationControl, PortsControl, SharingControl {
  status(): Promise<StatusView>;

  createTenant(request: { name: string }, context?: CallContext): Promise<TenantView>;
  listTenants(filter?: ListFilter): Promise<TenantView[]>;
  getTenant(ref: string): Promise<TenantView>;
  deleteTenant(ref: string, context?: CallContext): Promise<void>;

  createNetwork(request: NetworkRequest, context?: CallContext): Promise<NetworkView>;
  listNetworks(filter: ListFilter): Promise<NetworkView[]>;
  getNetwork(ref: string): Promise<NetworkView>;
  updateNetwork(request: NetworkUpdate, context?: CallContext): Promise<NetworkView>;
  /** Adds a subnet; its addresses are given when the subnets of its family before it have none left. */
  extendNetwork(request: NetworkExtension, context?: CallContext): Promise<NetworkView>;
  /** `force` ends its endpoints, on every node, before. */
  deleteNetwork(request: { ref: string; force: boolean }, context?: CallContext): Promise<void>;

  /** Returns when the endpoint carries packets on this host. */
  attach(request: AttachRequest, context?: CallContext): Promise<EndpointView>;
  /** Idempotent for ids; a name that never was is `endpoint-not-found`. */
  detach(ref: string, context?: CallContext): Promise<void>;
  listEndpoints(filter: ListFilter): Promise<EndpointView[]>;
  getEndpoint(ref: string): Promise<EndpointView>;
  updateEndpoint(request: EndpointUpdate, context?: CallContext): Promise<EndpointView>;

  listNodes(filter?: ListFilter): Promise<NodeView[]>;

  /** Refused while the node is heard from, unless `force`. */
  forgetNode(request: { ref: string; force: boolean }, context?: CallContext): Promise<NodeView>;
  /** Renews this host's own certificates; running connections stay. */
  rotateCertificates(context?: CallContext): Promise<{ notAfter: string }>;

  /** `token` is shown this once. */
  createToken(request: TokenRequest, context?: CallContext): Promise<{ token: string; details: TokenView }>;
  listTokens(): Promise<TokenView[]>;
  deleteToken(id: string, context?: CallContext): Promise<void>;
  /** The one call that a host without a certificate may make. */
  join(request: JoinRequest, context?: CallContext): Promise<Membership>;
  /** New certificates for the node that calls. */
  renew(request: { nodeCsr: string; clientCsr: string }, context?: CallContext): Promise<Membership>;

  /** Ends the recovery of the cluster after its store was restored; `missing`: nodes that were left behind. */
  resumeStore(request: { force: boolean }, context?: CallContext): Promise<{ missing: string[] }>;

  /** For nodes: a part of this node's space in a pool becomes the caller's. */
  splitSpace(request: SplitSpaceRequest, context?: CallContext): Promise<{ answer: string }>;
  /** For nodes: the caller's own endpoints before the store shows them. */
  hint(request: HintRequest, context?: CallContext): Promise<void>;
  /** For nodes that run etcd: it is there now. */
  pointToStore(request: PointToStoreRequest, context?: CallContext): Promise<void>;

  listEngines(filter: { node?: string }): Promise<EngineView[]>;
  /** Offers what users of this host's engine removed there again: one network, or all. */
  syncEngine(request: { network?: string }, context?: CallContext): Promise<EngineView>;
  /** A network that an engine's create made becomes one of all engines. */
  adoptNetwork(ref: string, context?: CallContext): Promise<NetworkView>;

  /** What is there as `added`, one `synced`, then every change, until the signal. */
  watch(request: WatchRequest, signal: AbortSignal): AsyncIterable<WatchEvent>;

  readonly engines: EngineControl;
  readonly following: EngineFollowing;
}
