import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PrefixMap } from '../../../src/model/prefix-map.ts';

const part = fc.constantFrom('', 'a', 'ab', 'b');
const key = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
const step = fc.oneof(
  fc.record({ set: key, value: fc.option(fc.integer(), { nil: undefined }) }),
  fc.record({ delete: key }),
  fc.constant({ clear: true }),
);

test('it holds what a map holds, and finds by prefix what a walk over it finds', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.array(key), (steps, prefixes) => {
      const map = new PrefixMap<number | undefined>();
      const model = new Map<string, number | undefined>();
      for (const one of steps) {
        if ('set' in one) {
          map.set(one.set, one.value);
          model.set(one.set, one.value);
        } else if ('delete' in one) {
          expect(map.delete(one.delete)).toBe(model.delete(one.delete));
        } else {
          map.clear();
          model.clear();
        }
      }
      expect(map.size).toBe(model.size);
      for (const prefix of ['', ...model.keys(), ...prefixes]) {
        const expected = [...model].filter(([name]) => name.startsWith(prefix)).sort();
        expect([...map.entries(prefix)].sort()).toEqual(expected);
        expect([...map.keys(prefix)].sort()).toEqual(expected.map(([name]) => name));
        expect(map.has(prefix)).toBe(model.has(prefix));
        expect(map.get(prefix)).toBe(model.get(prefix));
      }
    }),
  );
});
