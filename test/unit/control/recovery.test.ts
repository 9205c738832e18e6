/** A store came back from a backup: which recovery is under way, and which is only remembered. */
import pino from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ClusterView } from '../../../src/control/cluster-view.ts';
import { RECOVERING } from '../../../src/control/ownership/keys.ts';
import { OwnRecords } from '../../../src/control/ownership/own-records.ts';
import type { PeerPort } from '../../../src/control/ownership/ports.ts';
import { Recovery } from '../../../src/control/ownership/recovery.ts';
import { Rest } from '../../../src/control/ownership/rest.ts';
import { Standing } from '../../../src/control/ownership/standing.ts';
import { WeftError } from '../../../src/model/errors.ts';
import { keys } from '../../../src/model/keys.ts';
import { newId } from '../../../src/model/names.ts';
import type { FenceRecord, RestorationRecord } from '../../../src/model/objects.ts';
import { MemoryState } from '../../../src/store/memory-state.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { MemoryJournal } from '../../support/memory-journal.ts';

const node = { id: newId(), name: 'host1', bootId: 'boot' };
const OPTIONS = { deadline: 5_000 };
const log = pino({ level: 'silent' });

let state: MemoryState;
let store: MemoryStore;
let journal: MemoryJournal;
let own: OwnRecords;
let view: ClusterView;
let recovery: Recovery;
let rest: Rest;
/** a revision that the other node has applied */
let applied: number;
let standing: Standing;
let stop: AbortController;
let runs: Promise<void>[];

/** A process of this boot over the one journal. */
function begin(bootId: string): void {
  own = new OwnRecords(journal);
  view = new ClusterView(store, own);
  runs.push(view.run(stop.signal));
  const shared = { node: { ...node, bootId }, store, own, now: () => new Date(), log };
  standing = new Standing({ ...shared, machineId: 'this', clock: () => 0 });
  const peers = { applied: () => Promise.resolve({ revision: applied }) } as unknown as PeerPort;
  const followed = () => ({ revision: view.revision, sequence: own.sequence });
  rest = new Rest({ ...shared, view, own, peers, applied: followed });
  recovery = new Recovery({ ...shared, view, standing, topsOf: () => [], beginAnew: () => rest.beginAnew() });
}

beforeEach(() => {
  stop = new AbortController();
  runs = [];
  state = new MemoryState();
  store = new MemoryStore(state);
  journal = new MemoryJournal({ node: node.id, machineId: 'this', bootId: node.bootId, epoch: 1 });
  begin(node.bootId);
});

afterEach(async () => {
  stop.abort();
  await Promise.all(runs);
});

/** `record`: as the backup has it. */
async function restoreWith(record: RestorationRecord): Promise<void> {
  await store.transact({ compare: [], then: [{ put: keys.restoration, value: record }] });
  const backup = state.backup();
  await store.transact({ compare: [], then: [{ put: 'since', value: 1 }] });
  state.restore(backup, { newCluster: true });
  await store.get(keys.restoration).catch(() => undefined);
  expect(store.restored()).toBeDefined();
}

async function read<T>(key: string): Promise<T | undefined> {
  return (await store.get(key)).entry?.value as T | undefined;
}

const finished = { id: newId(), startedAt: '2026-01-01T00:00:00Z', resumedAt: '2026-01-01T00:10:00Z' };

async function assertBeginsAnew(): Promise<void> {
  expect(await recovery.round(OPTIONS)).toBe(false);
  const record = await read<RestorationRecord>(keys.restoration);
  expect(record?.id).not.toBe(finished.id);
  expect(record).toMatchObject({ cluster: state.clusterId });
  expect(record?.resumedAt).toBeUndefined();
  expect((await read<FenceRecord>(keys.fence(node.id)))?.recovered).toBe(record?.id);
}

it('a finished recovery of another cluster is the backup’s, also for a node that was not in it', async () => {
  await restoreWith({ ...finished, cluster: 'another' });
  await assertBeginsAnew();
});

it.each([
  ['the last', { restoration: finished.id }],
  ['an earlier', { restoration: newId(), former: [finished.id] }],
])('%s recovery that this node was in is not the one under way', async (_which, mark) => {
  await own.append([{ put: RECOVERING, value: { noticed: 'before', ...mark } }]).durable;
  await restoreWith(finished);
  await assertBeginsAnew();
});

it('what another node has begun for this restore is joined, and over when it says so', async () => {
  await restoreWith({ ...finished, cluster: 'another' });
  const begun: RestorationRecord = { id: newId(), startedAt: '2026-01-02T00:00:00Z', cluster: state.clusterId };
  await store.transact({ compare: [], then: [{ put: keys.restoration, value: begun }] });
  expect(await recovery.round(OPTIONS)).toBe(false);
  expect((await read<FenceRecord>(keys.fence(node.id)))?.recovered).toBe(begun.id);
  const resumed = { ...begun, resumedAt: '2026-01-02T00:10:00Z' };
  await store.transact({ compare: [], then: [{ put: keys.restoration, value: resumed }] });
  expect(await recovery.round(OPTIONS)).toBe(true);
  expect(store.restored()).toBeUndefined();
});

it('a host that is switched off again and again meanwhile has not lost anything', async () => {
  await own.append([{ put: 'space/n', value: { network: 'n', parts: ['10.0.0.0/30'], moving: [] } }]).durable;
  await standing.prove(OPTIONS);
  await restoreWith({ ...finished, cluster: 'another' });
  journal.fresh = false;
  for (const bootId of ['second', 'third', 'fourth']) {
    begin(bootId);
    expect(await recovery.round(OPTIONS)).toBe(false);
    expect(await read<FenceRecord>(keys.fence(node.id))).toMatchObject({ bootId: 'second' });
  }
  const begun = await read<RestorationRecord>(keys.restoration);
  await store.transact({ compare: [], then: [{ put: keys.restoration, value: { ...begun, resumedAt: 'now' } }] });
  begin('last');
  expect(await recovery.round(OPTIONS)).toBe(true);
  expect(standing.state).toBe('proven');
});

it('what rests is not judged by revisions of before, also when the answer to the last of what was written again is lost', async () => {
  const other = newId();
  await standing.prove(OPTIONS);
  await store.transact({ compare: [], then: [{ put: keys.live(other), value: { node: other, bootId: 'its' } }] });
  const key = keys.address('n', '10.0.0.5');
  const { sequence, durable } = own.append([
    { put: key, value: { network: 'n', address: '10.0.0.5', state: 'resting' } },
  ]);
  await durable;
  expect(rest.over(0)).toEqual([]);
  own.publishedUpTo(sequence, 1_000);
  applied = 1_000;
  await view.sync(OPTIONS);
  await rest.round(40_000, stop.signal);
  expect(rest.over(40_000)).toEqual([key]);
  await restoreWith({ ...finished, cluster: 'another' });

  const transact = store.transact.bind(store);
  store.transact = async (transaction, options) => {
    const result = await transact(transaction, options);
    if (transaction.then.every((one) => !('put' in one) || one.put !== keys.fence(node.id))) return result;
    store.transact = transact;
    throw new WeftError('store-away', 'the answer is lost');
  };
  await expect(recovery.round(OPTIONS)).rejects.toMatchObject({ code: 'store-away' });
  const begun = await read<RestorationRecord>(keys.restoration);
  await store.transact({ compare: [], then: [{ put: keys.restoration, value: { ...begun, resumedAt: 'now' } }] });
  expect(await recovery.round(OPTIONS)).toBe(true);

  applied = 1;
  await rest.round(80_000, stop.signal);
  expect(rest.over(80_000)).toEqual([]);
  applied = state.revision;
  await rest.round(80_000, stop.signal);
  expect(rest.over(80_000)).toEqual([key]);
});
