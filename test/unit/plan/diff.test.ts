import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { diff } from '../../../src/plan/diff.ts';
import type { Operation } from '../../../src/plan/diff.ts';
import { isLink, keyOf } from '../../../src/plan/objects.ts';
import type { KernelObject, Observed, PortFlags } from '../../../src/plan/objects.ts';

const flags: fc.Arbitrary<PortFlags> = fc.record({
  learning: fc.boolean(),
  neighSuppress: fc.boolean(),
  unicastFlood: fc.boolean(),
  mcastFlood: fc.boolean(),
  bcastFlood: fc.boolean(),
});
const small = (stem: string) => fc.integer({ min: 1, max: 3 }).map((n) => `${stem}${n}`);
const fields = { alias: small('weft:x:'), mtu: fc.constantFrom(1400, 1450), up: fc.boolean() };
const mac = fc.integer({ min: 1, max: 4 }).map((n) => `02:00:00:00:00:0${n}`);

const object: fc.Arbitrary<KernelObject> = fc.oneof(
  fc.record({ kind: fc.constant('bridge' as const), name: small('wb'), mac, mcastSnooping: fc.boolean(), ...fields }),
  fc.record({
    kind: fc.constant('vxlan' as const),
    name: small('wx'),
    bridge: small('wb'),
    vni: fc.nat(2),
    local: fc.constantFrom('192.0.2.1', '192.0.2.2'),
    udpPort: fc.constant(14789),
    flags,
    ...fields,
  }),
  fc.record({
    kind: fc.constant('port' as const),
    name: small('we'),
    bridge: small('wb'),
    flags,
    peer: fc.constant(null),
    ...fields,
  }),
  fc.record({ kind: fc.constant('address' as const), link: small('wb'), cidr: small('10.0.0.').map((a) => `${a}/24`) }),
  fc.record({
    kind: fc.constant('fdb' as const),
    link: small('wx'),
    mac,
    via: fc.constantFrom('self' as const, 'master' as const),
    dst: fc.constantFrom('192.0.2.1', '192.0.2.2'),
  }),
  fc.record({ kind: fc.constant('neighbour' as const), link: small('wb'), address: small('10.0.0.'), mac }),
);

/** Sets of objects as a kernel can hold them: unique keys, entries only on links that stand. */
const world: fc.Arbitrary<KernelObject[]> = fc
  .uniqueArray(object, { selector: keyOf, maxLength: 25 })
  .map((objects) => {
    const links = new Set(objects.filter(isLink).map((link) => link.name));
    return objects.filter((one) => !('link' in one) || links.has(one.link));
  });
const observed = (objects: KernelObject[]): Observed => ({ objects, foreign: [] });

/** A kernel of the mind: links take their entries with them. */
function apply(operations: Operation[], objects: KernelObject[]): KernelObject[] {
  const kernel = new Map(objects.map((one) => [keyOf(one), one]));
  for (const operation of operations) {
    const key = keyOf(operation.object);
    if (operation.type === 'delete') {
      if (!kernel.delete(key)) throw new Error(`deleted ${key}, which is not there`);
      if (!isLink(operation.object)) continue;
      for (const [other, one] of kernel) if ('link' in one && one.link === operation.object.name) kernel.delete(other);
    } else {
      const exists = kernel.has(key);
      if (operation.type === 'create' && exists && isLink(operation.object)) throw new Error(`made ${key} twice`);
      if (operation.type === 'update' && !exists) throw new Error(`changed ${key}, which is not there`);
      const { object: put } = operation;
      if ('link' in put && !kernel.has(`link ${put.link}`)) throw new Error(`${key} has no link to stand on`);
      kernel.set(key, put);
    }
  }
  return [...kernel.values()];
}

const sortedByKey = (objects: KernelObject[]) => [...objects].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));

describe('diff', () => {
  it('finds nothing to do where all is as wanted', () => {
    fc.assert(
      fc.property(world, (objects) => {
        expect(diff(objects, observed(objects))).toEqual([]);
      }),
    );
  });

  it('brings any kernel to any plan, never acting on what is not there', () => {
    fc.assert(
      fc.property(world, world, (wanted, found) => {
        expect(sortedByKey(apply(diff(wanted, observed(found)), found))).toEqual(sortedByKey(wanted));
      }),
      { numRuns: 1_000 },
    );
  });

  it('does not depend on the order of what it is given', () => {
    fc.assert(
      fc.property(world, world, fc.nat(), (wanted, found, seed) => {
        const turn = <T>(list: T[]) => [
          ...list.slice(seed % (list.length + 1)),
          ...list.slice(0, seed % (list.length + 1)),
        ];
        expect(diff(turn(wanted), observed(turn(found)))).toEqual(diff(wanted, observed(found)));
      }),
    );
  });

  it('leaves alone what others made under our names', () => {
    expect(diff([], { objects: [], foreign: ['wb7'] })).toEqual([]);
  });
});
