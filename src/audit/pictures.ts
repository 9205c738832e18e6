/**
 * The pictures that an audit compares: what one node's journal, engine and kernel say, and what the cluster's store says.
 * They are taken at slightly different moments; whoever asks looks twice and keeps what both looks have.
 */
import type { ClusterState } from '../model/cluster.ts';
import type { AddressRecord, Endpoint, EndpointDescription } from '../model/objects.ts';
import type { KernelPicture } from '../plan/kernel-picture.ts';

/** A record that one of journal and store has otherwise than the other. */
export interface RecordDifference {
  key: string;
  /** `unpublished`: the journal has it, the store does not; `unowned`: the store has it as this node's, the journal does not */
  state: 'unpublished' | 'unowned' | 'different';
}

/** What an engine of the node shows of itself. */
export interface EnginePicture {
  engine: 'docker';
  /** of weft's driver */
  networks: { engineId: string; name: string }[];
  /** of running containers, on any network */
  endpoints: { engineId: string; endpointId: string; container: string }[];
}

export interface NodePicture {
  node: { id: string; name: string };
  /** the cluster as this node sees it, its own journal laid over it */
  state: ClusterState;
  /** what its journal has as its own */
  journal: {
    endpoints: readonly Endpoint[];
    addresses: readonly AddressRecord[];
    descriptions: readonly EndpointDescription[];
    differences: readonly RecordDifference[];
  };
  /** undefined: it has none, or none that answers */
  engine: EnginePicture | undefined;
  /** undefined while it has no complete plan */
  kernel: KernelPicture | undefined;
  /** wall clock, milliseconds */
  now: number;
}

/** An address as its node has it: what can be compared over all nodes. */
export interface Holding {
  /** ids */
  network: string;
  address: string;
  /** '' unless bound */
  endpoint: string;
}

/** Space that a node says is its own. */
export interface SpaceHolding {
  network: string;
  /** CIDR */
  part: string;
}

/** What one node answered. */
export interface NodeAnswer {
  /** id */
  node: string;
  name: string;
  holdings: readonly Holding[];
  space: readonly SpaceHolding[];
  applied: { revision: number; sequence: number };
}

export interface SilentNode {
  node: string;
  name: string;
  live: boolean;
  reason: string;
}
