import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Bitmap } from '../../../../src/model/ipam/bitmap.ts';

/** Close to each other and to the edges of words and pages, and at the far end. */
const number = fc.oneof(
  fc.integer({ min: 0, max: 70 }),
  fc.integer({ min: 1000, max: 3100 }),
  fc.constant(2 ** 32 - 1),
);

describe('a bitmap', () => {
  it('answers as a set of numbers does', () => {
    const change = fc.record({ add: fc.boolean(), from: number, length: fc.integer({ min: 1, max: 1100 }) });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 8 }), fc.array(fc.tuple(number, number)), (changes, questions) => {
        const [bitmap, model] = [new Bitmap(), new Set<number>()];
        for (const { add, from, length } of changes) {
          for (let at = from; at < Math.min(from + length, 2 ** 32); at++) {
            bitmap[add ? 'add' : 'delete'](at);
            model[add ? 'add' : 'delete'](at);
          }
        }
        for (const [low, high] of questions) {
          if (high - low > 10_000) continue;
          let [present, absent, count]: [number | undefined, number | undefined, number] = [undefined, undefined, 0];
          for (let at = low; at <= high; at++) {
            if (model.has(at)) present ??= at;
            else absent ??= at;
            if (model.has(at)) count++;
          }
          expect([bitmap.firstPresent(low, high), bitmap.firstAbsent(low, high), bitmap.count(low, high)]).toEqual([
            present,
            absent,
            count,
          ]);
        }
      }),
    );
  });
});
