import { expect, it } from 'vitest';
import { storeConditions } from '../../../src/control/store-conditions.ts';
import { MemoryState } from '../../../src/store/memory-state.ts';
import { MemoryStore } from '../../../src/store/memory.ts';

it.each([
  [false, 'revision went back from 3 to 2'],
  [true, 'another cluster'],
])('shows a restored store until it is accepted (another cluster: %s)', async (newCluster, words) => {
  const state = new MemoryState();
  const store = new MemoryStore(state);
  const put = (value: number) => store.transact({ compare: [], then: [{ put: 'a', value }] });
  await put(1);
  const backup = state.backup();
  await put(2);
  await store.get('a');
  expect(storeConditions(store)).toEqual([]);
  state.restore(backup, { newCluster });
  await store.get('a');
  expect(storeConditions(store)).toMatchObject([{ type: 'store-restored', object: 'etcd' }]);
  expect(storeConditions(store)[0]?.message).toContain(words);
  await store.acceptRestored();
  expect(storeConditions(store)).toEqual([]);
  await store.close();
});
