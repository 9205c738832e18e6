/**
 * Which addresses of one pool are not free, and why. An index over the address records that its keeper holds in step
 * with them, so that an address is chosen in microseconds however full the pool is: a bit for each address in pages,
 * resting addresses apart, and what rests by its former owner.
 *
 * Addresses count from the pool's first; 2^32 of them are within reach, which is all that endpoints can have.
 */
import type { AddressState } from '../objects.ts';
import { Bitmap } from './bitmap.ts';
import type { Pool } from './pool.ts';

export interface AddressEntry {
  state: AddressState;
  /** when the state began, by any count that grows: which address has rested longest */
  since: number;
  /** who had a resting address, and gets it back when it asks: the engine's record, or a name on this node */
  former?: string;
  /** somebody has this one, and no other, by configuration */
  wanted?: boolean;
}

export class AddressTable {
  readonly #base: bigint;
  readonly #entries = new Map<number, AddressEntry>();
  readonly #resting = new Set<number>();
  readonly #former = new Map<string, Set<number>>();
  readonly #taken = new Bitmap();
  /** free ones too: who had it by configuration comes back for it, and can have no other */
  readonly #wanted = new Set<number>();
  /** taken or wanted */
  readonly #spokenFor = new Bitmap();

  constructor(pool: Pool) {
    this.#base = pool.cidr.first;
  }

  get(address: bigint): AddressEntry | undefined {
    return this.#entries.get(this.#offset(address));
  }

  set(address: bigint, entry: AddressEntry): void {
    const offset = this.#offset(address);
    this.#forget(offset);
    this.#entries.set(offset, entry);
    this.#taken.add(offset);
    this.#spokenFor.add(offset);
    if (entry.wanted) this.#wanted.add(offset);
    else this.#wanted.delete(offset);
    if (entry.state !== 'resting') return;
    this.#resting.add(offset);
    if (entry.former === undefined) return;
    const others = this.#former.get(entry.former);
    if (others) others.add(offset);
    else this.#former.set(entry.former, new Set([offset]));
  }

  /** The address is free. */
  delete(address: bigint): void {
    const offset = this.#offset(address);
    this.#forget(offset);
    this.#entries.delete(offset);
    this.#taken.delete(offset);
    if (!this.#wanted.has(offset)) this.#spokenFor.delete(offset);
  }

  /** Resting addresses, in the order in which they were set. */
  *resting(): Generator<{ address: bigint; entry: AddressEntry }> {
    for (const offset of this.#resting) {
      const entry = this.#entries.get(offset);
      if (entry) yield { address: this.#base + BigInt(offset), entry };
    }
  }

  /** What rests and was this owner's. */
  formerly(owner: string): bigint[] {
    return [...(this.#former.get(owner) ?? [])].map((offset) => this.#base + BigInt(offset));
  }

  /** The lowest free address from `low` to `high`. */
  firstFree(low: bigint, high: bigint): bigint | undefined {
    return this.#address(this.#taken.firstAbsent(this.#offset(low), this.#offset(high)));
  }

  /** The lowest free address from `low` to `high` that nobody had by configuration since this table was made. */
  firstUnwanted(low: bigint, high: bigint): bigint | undefined {
    return this.#address(this.#spokenFor.firstAbsent(this.#offset(low), this.#offset(high)));
  }

  /** The lowest address from `low` to `high` that is not free. */
  firstTaken(low: bigint, high: bigint): bigint | undefined {
    return this.#address(this.#taken.firstPresent(this.#offset(low), this.#offset(high)));
  }

  /** How many from `low` to `high` are not free. */
  taken(low: bigint, high: bigint): bigint {
    return BigInt(this.#taken.count(this.#offset(low), this.#offset(high)));
  }

  #forget(offset: number): void {
    const former = this.#entries.get(offset)?.former;
    this.#resting.delete(offset);
    if (former === undefined) return;
    const others = this.#former.get(former);
    others?.delete(offset);
    if (others?.size === 0) this.#former.delete(former);
  }

  #offset(address: bigint): number {
    return Number(address - this.#base);
  }

  #address(offset: number | undefined): bigint | undefined {
    return offset === undefined ? undefined : this.#base + BigInt(offset);
  }
}
