import { expect, it } from 'vitest';
import { MemoryState } from '../../../src/store/memory-state.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { Reader } from '../../support/watch-reader.ts';

it('cuts off one node of a cluster while the others go on, and lets it catch up', async () => {
  const cluster = new MemoryState();
  const here = new MemoryStore(cluster);
  const there = new MemoryStore(cluster);
  const reader = new Reader(there, '');
  await reader.next();
  there.setAway(true);
  await here.transact({ compare: [], then: [{ put: 'a', value: 1 }] });
  await expect(there.get('a')).rejects.toMatchObject({ code: 'store-away' });
  expect(reader.seen).toEqual([]);
  there.setAway(false);
  await reader.upTo('a=1');
  await reader.stop();
});

it('gives a slow reader each transaction whole, several at once', async () => {
  const store = new MemoryStore();
  const events = store.watch('', new AbortController().signal)[Symbol.asyncIterator]();
  await events.next();
  for (const value of [1, 2]) {
    await store.transact({
      compare: [],
      then: [
        { put: 'x', value },
        { put: 'y', value },
      ],
    });
  }
  const { value: event } = await events.next();
  expect(event).toMatchObject({ kind: 'changes', revision: 3 });
  expect((event as { changes: unknown[] }).changes).toHaveLength(4);
  await store.close();
});

it('gives a reader that missed compacted history a snapshot', async () => {
  const store = new MemoryStore();
  const events = store.watch('', new AbortController().signal)[Symbol.asyncIterator]();
  await events.next();
  await store.transact({ compare: [], then: [{ put: 'a', value: 1 }] });
  store.compact();
  expect((await events.next()).value).toMatchObject({ kind: 'snapshot', entries: [{ key: 'a', value: 1 }] });
  await store.close();
});
