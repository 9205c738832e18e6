/** When a node's journal counts: by boot, machine, lease, and what others say. */
import pino from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import { OwnRecords } from '../../../src/control/ownership/own-records.ts';
import { Standing } from '../../../src/control/ownership/standing.ts';
import type { StandingState } from '../../../src/control/ownership/standing.ts';
import { keys } from '../../../src/model/keys.ts';
import { NODE_LEASE_SECONDS } from '../../../src/model/limits.ts';
import { newId } from '../../../src/model/names.ts';
import type { JournalHeader } from '../../../src/store/journal/port.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { MemoryJournal } from '../../support/memory-journal.ts';

const id = newId();
const OWN: JournalHeader = { node: id, machineId: 'this', bootId: 'boot', epoch: 1 };

let store: MemoryStore;
let now: number;
let told: StandingState[];
beforeEach(() => {
  store = new MemoryStore();
  now = 0;
  told = [];
});

/** Of a daemon that was started on this host, in boot `boot`, and found a journal with this header. */
function standing(header: JournalHeader): Standing {
  const journal = Object.assign(new MemoryJournal(header), { fresh: false });
  return new Standing({
    node: { id, name: 'host1', bootId: 'boot' },
    ...{ store, own: new OwnRecords(journal), machineId: 'this', clock: () => now, now: () => new Date() },
    onStanding: (state) => told.push(state),
    log: pino({ level: 'silent' }),
  });
}

const prove = (one: Standing) => one.prove({ deadline: 1_000 });
const put = (key: string, value: unknown) => store.transact({ compare: [], then: [{ put: key, value }] });

describe('without the store', () => {
  it('a journal counts in the boot and on the machine that wrote it, and nowhere else', () => {
    const differing: Partial<JournalHeader>[] = [{}, { bootId: 'before' }, { machineId: 'another' }];
    expect(differing.map((change) => standing({ ...OWN, ...change }).mayGive())).toEqual([true, false, false]);
  });
});

describe('a copy of a disk', () => {
  it('writes nothing while the other lives, and is the node once that is gone', async () => {
    await put(keys.fence(id), { node: id, bootId: 'other', sequence: 0 });
    await put(keys.live(id), { node: id, bootId: 'other' });
    const one = standing({ ...OWN, bootId: 'other' });
    await prove(one);
    expect([one.state, one.mayGive()]).toEqual(['unproven', false]);
    now += 2_000 * NODE_LEASE_SECONDS + 1;
    await prove(one);
    expect(one.state).toBe('cloned');
    expect(() => one.compare()).toThrow(/another host runs as this node/);
    expect(one.refusal().next).toContain('weft node rejoin');
    await store.transact({ compare: [], then: [{ delete: keys.live(id) }] });
    await prove(one);
    expect(told).toEqual(['cloned', 'proven']);
  });
});

describe('a forgotten node', () => {
  it('is fenced by its epoch, or by the word of a peer while the store lets it in no more', async () => {
    const one = standing(OWN);
    await prove(one);
    expect(one.state).toBe('proven');
    store.setAway(true);
    one.fencedBy('host2');
    expect(() => one.compare()).toThrow(/as host2 says/);
    expect(one.mayGive()).toBe(false);
    store.setAway(false);
    await put(keys.epoch(id), { node: id, epoch: 2 });
    await prove(one);
    expect(one.refusal()).toMatchObject({
      code: 'node-fenced',
      message: expect.stringContaining('forgotten') as string,
    });
    expect(told).toEqual(['proven', 'fenced']);
  });
});
