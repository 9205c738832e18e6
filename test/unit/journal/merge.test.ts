import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Backlog } from '../../../src/store/journal/backlog.ts';
import { mergeEntries } from '../../../src/store/journal/merge.ts';
import type { JournalEntry, JournalOperation } from '../../../src/store/journal/port.ts';
import { fold } from '../../support/journal-model.ts';

const operation: fc.Arbitrary<JournalOperation> = fc.oneof(
  fc.record({ put: fc.constantFrom('a', 'b', 'c', 'd', 'e'), value: fc.nat(9) }),
  fc.record({ delete: fc.constantFrom('a', 'b', 'c', 'd', 'e') }),
);
const entries: fc.Arbitrary<JournalEntry[]> = fc
  .array(fc.array(operation, { minLength: 1, maxLength: 5 }), { maxLength: 30 })
  .map((all) => all.map((operations, index) => ({ sequence: index + 1, operations })));

describe('merged entries', () => {
  it('leave the records, at each of their sequences, as the entries did', () => {
    fc.assert(
      fc.property(entries, fc.integer({ min: 1, max: 6 }), (all, most) => {
        const merged = mergeEntries(all, most);
        expect(merged.at(-1)?.sequence).toBe(all.at(-1)?.sequence);
        for (const [index, { sequence }] of merged.entries()) {
          expect(fold(merged.slice(0, index + 1))).toEqual(fold(all.slice(0, sequence)));
        }
      }),
    );
  });

  it('are no larger than one transaction takes, save what was', () => {
    fc.assert(
      fc.property(entries, (all) => {
        for (const { operations } of mergeEntries(all, 5)) expect(operations.length).toBeLessThanOrEqual(5);
      }),
    );
    const [large] = mergeEntries([{ sequence: 1, operations: [{ delete: 'a' }, { delete: 'b' }, { delete: 'c' }] }], 2);
    expect(large?.operations).toHaveLength(3);
  });
});

describe('a backlog', () => {
  const entry = (sequence: number, key = 'k'): JournalEntry => ({
    sequence,
    operations: [{ put: key, value: sequence }],
  });

  it('grows with the keys that changed, not with the changes', () => {
    const backlog = new Backlog([], { pendingEntries: 100, mergedOperations: 10 });
    for (let sequence = 1; sequence <= 10_000; sequence++) backlog.add([entry(sequence, `k${sequence % 7}`)]);
    expect(backlog.length).toBeLessThanOrEqual(200);
    expect(fold(backlog.all()).get('k1')).toBe(9997);
    expect(backlog.all().at(-1)?.sequence).toBe(10_000);
  });

  it('holds what cannot be merged', () => {
    const backlog = new Backlog([], { pendingEntries: 10, mergedOperations: 1 });
    for (let sequence = 1; sequence <= 500; sequence++) backlog.add([entry(sequence, `k${sequence}`)]);
    expect(backlog.after(250, Infinity)).toHaveLength(250);
  });

  it('drops what is published, in the middle of a merged entry too', () => {
    const backlog = new Backlog([], { pendingEntries: 2, mergedOperations: 10 });
    backlog.add([entry(1), entry(2), entry(3)]);
    expect(backlog.all()).toEqual([entry(3)]);
    backlog.dropUpTo(2);
    expect(backlog.after(2, 5)).toEqual([entry(3)]);
    backlog.dropUpTo(3);
    expect(backlog.length).toBe(0);
  });
});
