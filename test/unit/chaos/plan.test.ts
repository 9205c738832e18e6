import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HOSTS, KINDS, plan } from '../../faults/chaos/plan.ts';
import type { Round } from '../../faults/chaos/plan.ts';

function first(seed: number, rounds: number): Round[] {
  const all = plan(seed);
  return Array.from({ length: rounds }, () => all.next().value);
}

const seed = fc.integer({ min: 0, max: 2 ** 31 });

describe('a plan of chaos', () => {
  it('is the same for the same seed', () => {
    fc.assert(
      fc.property(seed, (one) => {
        expect(first(one, 20)).toEqual(first(one, 20));
      }),
    );
  });

  it('is another one for another seed', () => {
    expect(first(1, 5)).not.toEqual(first(2, 5));
  });

  it('does one thing at most to a host at a time, and something in every round', () => {
    fc.assert(
      fc.property(seed, (one) => {
        for (const { faults } of first(one, 30)) {
          const hosts = faults.map(({ host }) => host);
          expect(hosts.length).toBeGreaterThan(0);
          expect(new Set(hosts).size).toBe(hosts.length);
          expect(hosts.every((host) => HOSTS.some((known) => known === host))).toBe(true);
        }
      }),
    );
  });

  it('never takes two members of etcd away while something starts that asks it', () => {
    fc.assert(
      fc.property(seed, (one) => {
        for (const { faults } of first(one, 30)) {
          const kinds = faults.map(({ kind }) => kind);
          const away = kinds.filter((kind) => ['kill-etcd', 'freeze-etcd', 'cut', 'power-cycle'].includes(kind)).length;
          expect(away).toBeLessThan(3);
          if (kinds.includes('power-cycle')) expect(away).toBe(1);
        }
      }),
    );
  });

  it('comes to every kind soon', () => {
    fc.assert(
      fc.property(seed, (one) => {
        const kinds = first(one, 3 * KINDS.length).flatMap(({ faults }) => faults.map(({ kind }) => kind));
        expect(new Set(kinds)).toEqual(new Set(KINDS));
      }),
    );
  });

  it('ends what it began within seconds, but for every fourth cut, which outlasts a lease', () => {
    fc.assert(
      fc.property(seed, (one) => {
        const faults = first(one, 60).flatMap((round) => round.faults);
        const cuts = faults.filter(({ kind }) => kind === 'cut');
        const long = faults.filter(({ lasts }) => lasts === 60_000);
        expect(cuts).toEqual(expect.arrayContaining(long));
        expect(long).toHaveLength(Math.floor(cuts.length / 4));
        const ends = faults.filter((fault) => !long.includes(fault)).map(({ at, lasts }) => at + lasts);
        expect(Math.max(...ends)).toBeLessThanOrEqual(15_000);
      }),
    );
  });
});
