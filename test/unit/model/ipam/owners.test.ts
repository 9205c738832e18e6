/**
 * Several owners share a pool by nothing but the functions of model/ipam: what one of them does when it is asked for an
 * address, without any I/O. The blocks' records are the only thing they have in common.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { formatAddress } from '../../../../src/model/address/address.ts';
import { formatCidr, parseCidr } from '../../../../src/model/address/cidr.ts';
import { AddressTable } from '../../../../src/model/ipam/address-table.ts';
import { cidrFrom, freeBlock, ownedParts } from '../../../../src/model/ipam/blocks.ts';
import type { BlockRecord } from '../../../../src/model/ipam/blocks.ts';
import { chooseAddress } from '../../../../src/model/ipam/choose-address.ts';
import { chooseCarve, isUnused } from '../../../../src/model/ipam/choose-carve.ts';
import { carve, claimFreePart, claimWhole, giveBack } from '../../../../src/model/ipam/claims.ts';
import type { Claim } from '../../../../src/model/ipam/claims.ts';
import { ownedSpace } from '../../../../src/model/ipam/owned-space.ts';
import { capacityOf, poolOf } from '../../../../src/model/ipam/pool.ts';
import type { Pool } from '../../../../src/model/ipam/pool.ts';
import { spanOf } from '../../../../src/model/ipam/spans.ts';
import { candidateBlocks } from '../../../../src/model/ipam/top-blocks.ts';

class Owners {
  readonly pool: Pool;
  /** by node: what it gave out, which nobody else sees */
  readonly tables = new Map<string, AddressTable>();
  readonly #blocks = new Map<string, BlockRecord>();

  constructor(pool: Pool, nodes: string[]) {
    this.pool = pool;
    for (const node of nodes) this.tables.set(node, new AddressTable(pool));
  }

  attach(node: string): bigint | undefined {
    for (;;) {
      const choice = chooseAddress(this.space(node), this.tables.get(node)!, {});
      if (choice.ok) {
        this.tables.get(node)!.set(choice.address.value, { state: 'bound', since: 0 });
        return choice.address.value;
      }
      expect(choice.reason).toBe('exhausted-here');
      if (!this.#grow(node)) return undefined;
    }
  }

  detach(node: string, address: bigint): void {
    this.tables.get(node)!.delete(address);
  }

  /** Every part in which the node uses nothing. */
  giveBack(node: string): void {
    for (const record of this.#blocks.values()) {
      for (const part of ownedParts(record, node)) {
        const current = this.#blocks.get(record.cidr)!;
        if (isUnused(this.tables.get(node)!, spanOf(part))) this.#write(giveBack(current, node, part));
      }
    }
  }

  space(node: string) {
    return ownedSpace(
      this.pool,
      [...this.#blocks.values()].flatMap((record) => ownedParts(record, node)),
    );
  }

  #grow(node: string): boolean {
    const owner = { node, epoch: 1 };
    for (const claim of [claimWhole, (record: BlockRecord) => claimFreePart(record, this.pool, owner)]) {
      for (const top of candidateBlocks(this.pool, node)) {
        const record = this.#blocks.get(formatCidr(top)) ?? freeBlock('web', top);
        if (this.#write(claim(record, owner))) return true;
      }
    }
    for (const [other, table] of this.tables) {
      const cidr = other === node ? undefined : chooseCarve(this.space(other), table);
      if (!cidr) continue;
      const record = [...this.#blocks.values()].find((one) => {
        const { first, last } = spanOf(cidrFrom(one.cidr));
        return cidr.first >= first && cidr.first <= last;
      })!;
      if (this.#write(carve(record, { from: other, to: owner, cidr }))) return true;
    }
    return false;
  }

  #write(claim: Claim): boolean {
    if (claim.ok) this.#blocks.set(claim.record.cidr, claim.record);
    return claim.ok;
  }
}

const setting = fc.record({
  prefix: fc.integer({ min: 25, max: 30 }),
  nodes: fc.integer({ min: 1, max: 12 }),
  reserved: fc.array(fc.tuple(fc.nat(127), fc.integer({ min: 29, max: 32 })), { maxLength: 3 }),
});
const step = fc.record({ node: fc.nat(11), kind: fc.constantFrom('attach', 'attach', 'attach', 'detach', 'back') });

it('owners never give an address twice, and use a pool to its last one although it has fewer blocks than they are', () => {
  fc.assert(
    fc.property(setting, fc.array(step, { maxLength: 150 }), ({ prefix, nodes, reserved }, steps) => {
      const size = 2 ** (32 - prefix);
      const pool = poolOf({
        cidr: `10.0.0.0/${prefix}`,
        gateway: '10.0.0.1',
        reserved: reserved.map(([at, length]) => {
          const first = Math.floor((at % size) / 2 ** (32 - length)) * 2 ** (32 - length);
          return `10.0.0.${first}/${Math.max(length, prefix)}`;
        }),
      });
      const names = Array.from({ length: nodes }, (_, i) => `node-${i}`);
      const owners = new Owners(pool, names);
      const given = new Map<bigint, string>();
      const attach = (node: string) => {
        const address = owners.attach(node);
        if (address === undefined) return false;
        expect(given.has(address), formatAddress({ family: 4, value: address })).toBe(false);
        given.set(address, node);
        return true;
      };
      for (const { node: index, kind } of steps) {
        const node = names[index % nodes]!;
        if (kind === 'attach' && !attach(node)) expect(BigInt(given.size)).toBe(capacityOf(pool));
        if (kind === 'back') owners.giveBack(node);
        const mine = kind === 'detach' ? [...given].find(([, holder]) => holder === node) : undefined;
        if (mine) given.delete(mine[0]);
        if (mine) owners.detach(node, mine[0]);
      }
      const last = names.at(-1)!;
      while (attach(last));
      expect(BigInt(given.size)).toBe(capacityOf(pool));
      const spaces = names.reduce((sum, node) => sum + owners.space(node).capacity, 0n);
      expect(spaces).toBe(capacityOf(pool));
    }),
  );
});

it('an IPv6 pool of 2^64 is shared as well', () => {
  const pool = poolOf({ cidr: 'fd00:1::/64', gateway: 'fd00:1::1', reserved: [] });
  const owners = new Owners(pool, ['a', 'b']);
  const given = [owners.attach('a'), owners.attach('b'), owners.attach('a')];
  expect(new Set(given).size).toBe(3);
  expect(given.every((address) => address !== undefined && address - parseCidr('fd00:1::/64')!.first < 1n << 32n)).toBe(
    true,
  );
});
