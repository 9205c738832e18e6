/**
 * Blocks that this node no longer needs in a network that it uses. They have to stay empty for a while: a container that stops
 * and starts again finds its address where it was, also while the store is away, and a load that comes and goes claims no
 * block each time.
 */
import { formatCidr } from '../../model/address/cidr.ts';
import type { Cidr } from '../../model/address/cidr.ts';
import { poolOf } from '../../model/ipam/pool.ts';
import type { Pool } from '../../model/ipam/pool.ts';
import type { OwnedSpace } from '../../model/ipam/owned-space.ts';
import { ownedBlocks, spareBlocks } from '../../model/ipam/spare-blocks.ts';
import type { OwnedBlock } from '../../model/ipam/spare-blocks.ts';
import type { Network } from '../../model/objects.ts';
import type { AddressIndex } from './address-index.ts';
import { SPACE } from './keys.ts';
import type { OwnRecords } from './own-records.ts';
import { ownedIn } from './space-records.ts';
import type { SpaceRecord } from './space-records.ts';

/** in milliseconds, after the rest of the last address in it */
const EMPTY_TIME = 60_000;

export class SpareSpace {
  readonly #own: OwnRecords;
  readonly #index: AddressIndex;
  readonly #pools = new WeakMap<Network, Pool[]>();
  readonly #blocks = new WeakMap<OwnedSpace, OwnedBlock[]>();
  /** by network and block, by the caller's monotonic clock */
  #since = new Map<string, number>();

  constructor(own: OwnRecords, index: AddressIndex) {
    this.#own = own;
    this.#index = index;
  }

  /** Networks in which something has been spare for long enough; to be asked regularly. */
  due(networks: ReadonlyMap<string, Network>, now: number): string[] {
    const since = new Map<string, number>();
    const due = new Set<string>();
    for (const [, value] of this.#own.entries(SPACE)) {
      const network = networks.get((value as SpaceRecord).network);
      if (!network || network.leaving) continue;
      for (const { top } of this.#spare(network)) {
        const name = nameOf(network, top);
        const began = this.#since.get(name) ?? now;
        since.set(name, began);
        if (now - began >= EMPTY_TIME) due.add(network.id);
      }
    }
    this.#since = since;
    return [...due];
  }

  /** What is spare at this moment, of the blocks that were when `due` was asked last and have been for long enough. */
  parts(network: Network, now: number): Cidr[] {
    const isDue = ({ top }: OwnedBlock) => now - (this.#since.get(nameOf(network, top)) ?? now) >= EMPTY_TIME;
    return this.#spare(network)
      .filter(isDue)
      .flatMap(({ parts }) => parts);
  }

  #spare(network: Network): OwnedBlock[] {
    return this.#poolsOf(network).flatMap((pool) => {
      const space = this.#index.space(network.id, pool);
      return spareBlocks(space, this.#blocksOf(network.id, space), this.#index.of(network.id, pool).table);
    });
  }

  #poolsOf(network: Network): Pool[] {
    let pools = this.#pools.get(network);
    if (!pools) this.#pools.set(network, (pools = network.subnets.map(poolOf)));
    return pools;
  }

  #blocksOf(network: string, space: OwnedSpace): OwnedBlock[] {
    let blocks = this.#blocks.get(space);
    if (!blocks) this.#blocks.set(space, (blocks = ownedBlocks(space.pool, ownedIn(this.#own, network))));
    return blocks;
  }
}

function nameOf({ id }: Network, top: Cidr): string {
  return `${id} ${formatCidr(top)}`;
}
