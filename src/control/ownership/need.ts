import type { Pool } from '../../model/ipam/pool.ts';
import type { Network } from '../../model/objects.ts';

/** Space in pools of a network that this node does not own yet. */
export interface Need {
  network: Network;
  /** any of these will do, the first before the others */
  pools: Pool[];
  /** exactly this address; left out: any */
  wanted?: string;
  /** CIDR: only from this part of the pool */
  range?: string;
}

/** Thrown by a decision: it can be taken once the space was obtained (space.ts), which takes the store and perhaps a peer. */
export class SpaceNeeded extends Error {
  readonly need: Need;

  constructor(need: Need) {
    super(`no space of this node in ${need.network.name} fits`);
    this.need = need;
  }
}
