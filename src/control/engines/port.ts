/**
 * What engines ask for: the calls of their network and address drivers, and what keeps an engine in step with the cluster.
 */
import type { EngineContainer, EngineProblem, EngineState, StaticRoute } from '../../model/objects.ts';
import type { PortWish } from '../../model/ports/wish.ts';
import type { CallContext, EndpointView, NetworkView } from '../port.ts';

export interface PoolRequest {
  engine: 'docker';
  addressSpace: string;
  /** CIDR, or '' for weft to choose */
  cidr: string;
  /** part of the pool from which addresses without a wish are given; '' for all of it */
  range: string;
  v6: boolean;
  /** names given as IPAM options, '' where absent */
  tenant: string;
  network: string;
}

export interface Pool {
  id: string;
  cidr: string;
}

export interface BindRequest {
  engine: 'docker';
  /** the engine's id of its network */
  engineId: string;
  /** names given as driver options, '' where absent */
  tenant: string;
  network: string;
  /** as the engine has them from our pools; `reserved` are its auxiliary addresses */
  subnets: { addressSpace: string; cidr: string; gateway: string; reserved: string[] }[];
  internal: boolean;
  mtu?: number;
  /** left out: what there is; an empty list is none */
  routes?: StaticRoute[];
  /** weft itself had the engine of this id make it: see Binding */
  synced?: string;
}

export interface EngineEndpointRequest {
  engine: 'docker';
  engineId: string;
  endpointId: string;
  /** CIDR text, as held before; at most one of each family */
  addresses: string[];
  /** '' for weft to choose */
  mac: string;
  labels: Record<string, string>;
  container: EngineContainer | null;
}

export interface EngineJoin {
  /** the interface in the host's namespace that the engine moves into the sandbox */
  interfaceName: string;
  /** '' when the network is internal or has none of the family */
  gateway4: string;
  gateway6: string;
  /** those of its families, beside the gateways */
  routes: StaticRoute[];
  /** other subnets of the network, which are on the same link */
  links: string[];
  endpoint: EndpointView;
}

/** A container as its engine shows it, with those of its endpoints that may be ours. */
export interface ContainerSighting {
  container: EngineContainer;
  labels: Record<string, string>;
  endpoints: { engineId: string; endpointId: string }[];
}

/** A network of the cluster that an engine of this node is to have, or to lose. */
export interface EngineNetwork {
  /** ours */
  id: string;
  /** in the engine: TENANT.NETWORK, which a dot keeps apart from every name of ours */
  name: string;
  tenant: string;
  network: string;
  subnets: { cidr: string; gateway: string }[];
  internal: boolean;
  /** `declined`: a user of the engine removed it there */
  wish: 'present' | 'declined' | 'absent';
  /** absent also while containers use it */
  force: boolean;
  /** the engine's ids of what is bound to it on this node */
  bound: string[];
}

export interface EngineReport {
  engine: 'docker';
  state: EngineState;
  id: string;
  version: string;
  liveRestore: boolean;
  problems: EngineProblem[];
}

/** What the engine shows of itself, whole: all that is not in it is not in the engine. */
export interface EngineInventory {
  engine: 'docker';
  endpoints: { engineId: string; endpointId: string }[];
  /** the engine's ids of its networks */
  networks: string[];
}

/** A record of this node that its engine no longer knows of, for longer than the grace period. */
export type EngineLeak =
  | { kind: 'endpoint'; engineId: string; endpointId: string; name: string }
  | { kind: 'binding'; engineId: string; name: string };

export interface NetworkClaim {
  /** the engine's own id: one that lost its records, and with them its networks, has another */
  engine: string;
  /** of the network in it */
  engineId: string;
  /** ours */
  network: string;
}

/** Keeping an engine and the cluster in step: called by the follower of the engine, never inside an engine's call. */
export interface EngineFollowing {
  /** The networks of concern, at once and again whenever they change; only the newest is kept for a slow reader. */
  networks(signal: AbortSignal): AsyncIterable<EngineNetwork[]>;
  /** Records names, images and labels of containers beside their endpoints. */
  describe(sightings: ContainerSighting[], context?: CallContext): Promise<void>;
  report(report: EngineReport, context?: CallContext): Promise<void>;
  /** The engine's network was made by us to keep in step: it does not keep the cluster's alive. */
  claimNetwork(request: NetworkClaim, context?: CallContext): Promise<void>;
  /** What this node records for the engine and the engine does not know, once that has lasted. */
  leaks(inventory: EngineInventory): EngineLeak[];
  collect(leak: EngineLeak, context?: CallContext): Promise<void>;
}

export interface EngineControl {
  requestPool(request: PoolRequest, context?: CallContext): Promise<Pool>;
  /** Unknown ids succeed. */
  releasePool(poolId: string, context?: CallContext): Promise<void>;
  /**
   * `address` '' lets weft choose; `name` is the endpoint's, where the engine tells it. The answer is CIDR text. A
   * gateway's request may be repeated, from any host.
   */
  requestAddress(
    request: { poolId: string; address: string; gateway: boolean; name?: string },
    context?: CallContext,
  ): Promise<{ address: string }>;
  /** Unknown pools and addresses succeed; an address that an endpoint holds stays. */
  releaseAddress(request: { poolId: string; address: string }, context?: CallContext): Promise<void>;

  /** Ties an engine's network to ours; makes tenant and network where they are missing. Idempotent for one engineId. */
  bindNetwork(request: BindRequest, context?: CallContext): Promise<NetworkView>;
  unbindNetwork(request: { engine: 'docker'; engineId: string }, context?: CallContext): Promise<void>;

  createEndpoint(request: EngineEndpointRequest, context?: CallContext): Promise<EndpointView>;
  /** Returns when the interface stands in the host's namespace. */
  joinEndpoint(
    request: { engine: 'docker'; engineId: string; endpointId: string; sandbox: string },
    context?: CallContext,
  ): Promise<EngineJoin>;
  deleteEndpoint(
    request: { engine: 'docker'; engineId: string; endpointId: string },
    context?: CallContext,
  ): Promise<void>;

  /** As a whole: what is not asked for ends. Returns when this host leads there. */
  publishPorts(
    request: { engine: 'docker'; engineId: string; endpointId: string; ports: PortWish[] },
    context?: CallContext,
  ): Promise<void>;
  /** Unknown ids succeed. */
  unpublishPorts(
    request: { engine: 'docker'; engineId: string; endpointId: string },
    context?: CallContext,
  ): Promise<void>;
}
