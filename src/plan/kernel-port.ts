/** The kernel as the reconcile loop sees it: what stands, and doing what a diff asks. */
import type { Place } from '../model/ports/places.ts';
import type { Operation } from './diff.ts';
import type { Observed, PortPeer } from './objects.ts';
import type { DropReason, PortGuardIntent } from './port-guard/intent.ts';
import type { HostGuardIntent, RulesetIntent, TenantGuardIntent } from './ruleset.ts';

export interface OperationFailure {
  operation: Operation;
  error: Error;
}

/** Something happened that this host did not plan; `namespace` null: in the host's own. */
export interface KernelEvent {
  namespace: string | null;
  what: string;
}

/** Forward chains of others that let uplinks' packets through by rules of ours. */
export interface ForeignChains {
  /** "ip filter DOCKER-USER", sorted */
  chains: string[];
  /** those that drop, and that nobody but their owner may change */
  refused: string[];
  /** what was taken out by others and put back */
  repaired: string[];
}

/** What the host itself lets through. */
export interface HostForwarding {
  ipv4: boolean;
  ipv6: boolean;
}

/** A port of the host that leads to a container, and somebody else serves at. */
export interface PlaceConflict {
  place: Place;
  /** "nginx (pid 812)" */
  holder: string;
}

/** Addresses that the world knows tenants by, for as long as this node leads their packets out. */
export interface AddressWish {
  /** the host's link to the others; undefined where its node did not say */
  link: string | undefined;
  addresses: string[];
  /** after which they go by themselves */
  seconds: number;
}

export interface HeldAddresses {
  /** they had been brought here, and others took them away */
  lost: string[];
  /** of those that are wanted */
  failures: Error[];
}

/** Packets by reason. */
export type PortDrops = Partial<Record<DropReason, number>>;

/** In the host's namespace: concerns the tenants, which have the other ends. */
export const UPLINK_CHANGED = 'uplink';

export interface KernelPort {
  /** file names of the tenants' namespaces that stand */
  namespaces(): Promise<string[]>;
  /** true when it had to be made */
  ensureNamespace(name: string): Promise<boolean>;
  /** succeeds for what is gone */
  removeNamespace(name: string): Promise<void>;
  observe(name: string): Promise<Observed>;
  /** Names of the links in the host's namespace that bear weft's mark. */
  hostLinks(): Promise<string[]>;
  /** Whether the file is a network namespace. */
  isNamespace(path: string): Promise<boolean>;
  /** Whether a ruleset stands as the intent has it; `name` null: in the host's namespace. */
  isGuarded(name: string | null, intent: RulesetIntent): Promise<boolean>;
  /** In order; what depends on a failed link is left out and reported with it. */
  apply(name: string, operations: Operation[], rebuild: (endpoint: string) => boolean): Promise<OperationFailure[]>;
  /** Routes of a container's interface to `peer.links`; false while the interface is not in its sandbox. */
  routeOnLink(peer: PortPeer): Promise<boolean>;
  /** What had to be changed in a ruleset that stood before; empty when nothing was. */
  guardHost(intent: HostGuardIntent): Promise<string[]>;
  /** succeeds for what is gone */
  unguardHost(): Promise<void>;
  /** `wanted` false takes our rules out of all chains of others. */
  passForeign(wanted: boolean): Promise<ForeignChains>;
  forwarding(): Promise<HostForwarding>;
  /** Exactly these ports of the host are kept from others; those that others have. */
  reservePorts(wanted: readonly Place[]): Promise<PlaceConflict[]>;
  /** Throws where others of weft's than the wanted may stand still. */
  holdAddresses(wish: AddressWish): Promise<HeldAddresses>;
  /** Forgets connections that were begun from these ranges, in the tenant's namespace and in the host's. */
  cutFlows(name: string, ranges: { inside: string[]; host: string[] }): Promise<void>;
  guardTenant(name: string, intent: TenantGuardIntent): Promise<string[]>;
  /** What the endpoints of a tenant may put on their bridges. */
  guardPorts(name: string, intent: PortGuardIntent): Promise<string[]>;
  /** Frames of endpoints that were dropped, by port; ports without any, and reasons without any, are left out. */
  drops(name: string): Promise<Map<string, PortDrops>>;
  /** What was counted for ports that the guard does not know (any more) is counted no longer. */
  forgetDrops(name: string): Promise<void>;
  /** Ends with the signal. */
  events(signal: AbortSignal): AsyncIterable<KernelEvent>;
  close(): void;
}
