/** What of this node's space is in use, by pool: an index over its journal, kept in step with it. */
import { parseAddress } from '../../model/address/address.ts';
import type { Cidr } from '../../model/address/cidr.ts';
import { cidrFrom } from '../../model/ipam/blocks.ts';
import { AddressTable } from '../../model/ipam/address-table.ts';
import { ownedSpace } from '../../model/ipam/owned-space.ts';
import type { OwnedSpace } from '../../model/ipam/owned-space.ts';
import type { Pool } from '../../model/ipam/pool.ts';
import { prefixes } from '../../model/keys.ts';
import type { AddressRecord } from '../../model/objects.ts';
import type { OwnRecords } from './own-records.ts';
import { spaceOf } from './space-records.ts';
import type { SpaceRecord } from './space-records.ts';

export interface PoolIndex {
  pool: Pool;
  table: AddressTable;
  /** the address given last */
  last: bigint | undefined;
}

interface Cached {
  space: OwnedSpace;
  record: SpaceRecord;
}

export class AddressIndex {
  readonly #own: OwnRecords;
  readonly #pools = new Map<string, PoolIndex>();
  readonly #spaces = new Map<string, Cached>();

  constructor(own: OwnRecords) {
    this.#own = own;
    own.onAppend((keys) => {
      for (const key of keys) if (key.startsWith(prefixes.addresses)) this.#follow(key);
    });
  }

  of(network: string, pool: Pool): PoolIndex {
    const name = `${network} ${pool.name}`;
    let index = this.#pools.get(name);
    if (!index) {
      index = { pool, table: new AddressTable(pool), last: undefined };
      this.#pools.set(name, index);
      for (const [, value] of this.#own.entries(prefixes.addressesOf(network)))
        this.#set(index, value as AddressRecord);
    }
    return index;
  }

  space(network: string, pool: Pool): OwnedSpace {
    const name = `${network} ${pool.name}`;
    const record = spaceOf(this.#own, network);
    const cached = this.#spaces.get(name);
    // Reserved ranges may change while the network stands.
    if (cached?.record === record && areSame(cached.space.pool.reserved, pool.reserved)) return cached.space;
    const parts = record.parts.map(cidrFrom).filter(({ family }) => family === pool.cidr.family);
    const space = ownedSpace(pool, parts);
    this.#spaces.set(name, { space, record });
    return space;
  }

  /** A network that is gone is remembered no longer. */
  forget(network: string): void {
    for (const map of [this.#pools, this.#spaces]) {
      for (const name of map.keys()) if (name.startsWith(`${network} `)) map.delete(name);
    }
  }

  #follow(key: string): void {
    const [network = '', text = ''] = key.slice(prefixes.addresses.length).split('/');
    const address = parseAddress(text);
    if (!address) return;
    for (const [name, index] of this.#pools) {
      if (!name.startsWith(`${network} `) || index.pool.cidr.family !== address.family) continue;
      const record = this.#own.get<AddressRecord>(key);
      if (record) this.#set(index, record);
      else if (inPool(index.pool, address.value)) index.table.delete(address.value);
    }
  }

  #set(index: PoolIndex, record: AddressRecord): void {
    const address = parseAddress(record.address);
    if (address?.family !== index.pool.cidr.family || !inPool(index.pool, address.value)) return;
    index.table.set(address.value, {
      state: record.state,
      since: this.#own.sequence,
      ...(record.name && { former: record.name }),
      ...(record.wanted && { wanted: true }),
    });
  }
}

function areSame(some: readonly Cidr[], others: readonly Cidr[]): boolean {
  const same = (one: Cidr, other?: Cidr) => one.first === other?.first && one.prefix === other.prefix;
  return some.length === others.length && some.every((one, i) => same(one, others[i]));
}

function inPool(pool: Pool, address: bigint): boolean {
  return address >= pool.low && address <= pool.high;
}
