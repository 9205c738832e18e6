import type { Logger } from 'pino';
import type { Cidr } from '../model/address/cidr.ts';
import type { ClusterSettings } from '../model/cluster.ts';
import type { FactsWish, HostFacts } from '../model/host-facts.ts';
import type { Condition } from '../model/status.ts';
import type { Timings } from '../model/timings.ts';
import type { Place } from '../model/ports/places.ts';
import type { PlaceConflict } from '../plan/kernel-port.ts';
import type { Reconciler } from '../reconcile/port.ts';
import type { Store } from '../store/port.ts';
import type { ClusterView } from './cluster-view.ts';
import type { EnginePicture, ExaminationPeers, ProbePort } from './examination/port.ts';
import type { AtFailpoint } from './failpoints.ts';
import type { Ownership } from './ownership/ownership.ts';
import type { CallContext } from './port.ts';
import type { Turns } from './turns.ts';

/** Keys and certificates, as far as use cases touch them. */
export interface TrustPort {
  /** PEM of the cluster's CA */
  readonly ca: string;
  newToken(): { id: string; hash: string; text: string };
  isSecretOf(hash: string, secret: string): boolean;
  /** undefined on nodes that do not hold the CA's key */
  readonly certify: ((node: NodeToCertify, csr: SigningRequests) => Promise<SigningRequests>) | undefined;
  /** Renews this node's own certificates now. */
  rotate(context?: CallContext): Promise<{ notAfter: Date }>;
  readonly notAfter: Date;
}

/** Ports of this host, as far as use cases touch them: taken before they are recorded, so that a refusal is the answer. */
export interface PortClaims {
  /** All or none. `settle`: the plan has them, or will not; until then the host keeps them. */
  claim(places: readonly Place[]): Promise<{ settle: () => void } | PlaceConflict>;
}

export interface NodeToCertify {
  nodeId: string;
  name: string;
  addresses: string[];
}

/** PEM texts: requests on the way in, certificates on the way out. */
export interface SigningRequests {
  node: string;
  client: string;
}

/** What every use case needs; made once by composition.ts. */
export interface ControlDeps {
  store: Store;
  /** who looks after the etcd that this host runs, if it runs one */
  upkeep?: { conditions(): Condition[] } | undefined;
  /** this host's address for the overlay; absent where nobody follows it */
  underlay?: { conditions(): Condition[] } | undefined;
  /** other nodes say that etcd is there now; absent where the store is at no address */
  reachStoreAt?: ((endpoints: readonly string[]) => void) | undefined;
  view: ClusterView;
  /** what this node holds itself, whatever the store does */
  ownership: Ownership;
  reconciler: Reconciler;
  /** by network reference or pool id: choices of addresses on this host do not race each other */
  turns: Turns;
  node: { id: string; name: string; bootId: string };
  settings: ClusterSettings;
  version: string;
  /** the highest level of the cluster's state that this daemon reads */
  level: number;
  /** engines may use weft's addresses on networks of other drivers */
  ipamOnly: boolean;
  ports: PortClaims;
  /** ranges this host's own routes reach, so that a chosen subnet does not hide them */
  hostRoutes: () => Promise<Cidr[]>;
  trust: TrustPort;
  /** what this host's engine shows; absent without one */
  engineShows?: ((signal: AbortSignal) => Promise<EnginePicture>) | undefined;
  /** what this host is like around weft; absent where nobody looks */
  hostFacts?: ((wish: FactsWish) => Promise<HostFacts>) | undefined;
  /** packets by which the overlay's way to another host is tried */
  probes?: ProbePort | undefined;
  /** the other nodes, when they are examined */
  examiners?: ExaminationPeers | undefined;
  now: () => Date;
  timings?: Timings | undefined;
  /** where a test may end the daemon; absent in one that serves */
  at?: AtFailpoint | undefined;
  log: Logger;
}
