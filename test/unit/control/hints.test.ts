/** What nodes tell of their own records before the store shows it, and who is believed. */
import { expect, it } from 'vitest';
import { Hints } from '../../../src/control/hints.ts';
import type { KnownFence } from '../../../src/control/hints.ts';

const KEY = 'endpoints/n/e';
const fence: KnownFence = { sequence: 6, bootId: 'boot', life: { bootId: 'boot', revision: 10 } };
const told = (bootId: string) => ({ node: 'one', bootId, sequence: 7, put: [], delete: [KEY] });
const nothing = () => undefined;
const confirmed = (hints: Hints, known: Partial<KnownFence>) =>
  hints.confirmed(() => ({ ...fence, ...known })).map(({ key }) => key);

it.each([
  ['the boot that the store hears from', 'boot', true],
  ['one that does not say which it is', '', true],
  ['a copy of its disk on another host', 'copy', false],
])('is believed or not: %s', (_, bootId, believed) => {
  const hints = new Hints();
  expect(hints.take(told(bootId), nothing, fence, true)).toEqual(believed ? [KEY] : []);
  expect([...hints.keys()]).toEqual(believed ? [KEY] : []);
});

it('is believed of another boot while the store is away, until another is heard from since', () => {
  const hints = new Hints();
  expect(hints.take(told('next'), nothing, fence, false)).toEqual([KEY]);
  for (const life of [fence.life, undefined, { bootId: 'next', revision: 12 }]) {
    expect(confirmed(hints, { life })).toEqual([]);
  }
  expect(confirmed(hints, { life: { bootId: 'boot', revision: 13 } })).toEqual([KEY]);
  expect([...hints.keys()]).toEqual([]);
});

it('is over when the store has it', () => {
  const hints = new Hints();
  hints.take(told('boot'), nothing, fence, true);
  expect(confirmed(hints, { sequence: 7 })).toEqual([KEY]);
  expect(hints.take(told('boot'), nothing, { ...fence, sequence: 7 }, true)).toEqual([]);
});
