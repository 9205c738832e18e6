import { expect, it } from 'vitest';
import { ClusterView } from '../../../src/control/cluster-view.ts';
import { OwnRecords } from '../../../src/control/ownership/own-records.ts';
import { keys } from '../../../src/model/keys.ts';
import { MemoryState } from '../../../src/store/memory-state.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { MemoryJournal } from '../../support/memory-journal.ts';

it('shows a record as published when the answer of its transaction comes after the watch has shown it', async () => {
  const stop = new AbortController();
  const store = new MemoryStore(new MemoryState());
  const own = new OwnRecords(new MemoryJournal({ node: 'n', machineId: 'm', bootId: 'b', epoch: 1 }));
  const view = new ClusterView(store, own);
  const run = view.run(stop.signal);
  await view.sync({ deadline: 1_000 });
  const key = keys.endpoint('net', 'e');
  const { sequence } = own.append([{ put: key, value: { id: 'e' } }]);
  const { revision } = await store.transact({ compare: [], then: [{ put: key, value: { id: 'e' } }] });
  await view.reached(revision, 1_000);
  expect(view.current().state.unpublished).toEqual(new Set(['e']));
  let told = 0;
  view.onChange(() => told++);
  own.publishedUpTo(sequence, revision);
  expect(view.current().state.unpublished).toEqual(new Set());
  expect(told).toBe(1);
  stop.abort();
  await run;
});
