/** Attaches and detaches of a node whose disk is full. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { BlockRecord } from '../../../src/model/ipam/blocks.ts';
import { openJournal } from '../../../src/store/journal/journal.ts';
import { silentLog } from '../../../src/store/log.ts';
import { TestCluster } from '../../support/control.ts';
import { JournalDisk } from '../../support/journal-disk.ts';

let cluster: TestCluster;
let disk: JournalDisk;
let node: Awaited<ReturnType<TestCluster['node']>>;

beforeEach(async () => {
  cluster = new TestCluster();
  disk = new JournalDisk();
  const journal = await openJournal({
    directory: '/journal',
    files: disk.files(),
    header: { node: 'n1', machineId: 'm', bootId: 'b1', epoch: 1 },
    log: silentLog,
  });
  node = await cluster.node('host1', { identity: { id: 'n1', bootId: 'b1', journal } });
  await node.control.createTenant({ name: 'acme' });
  for (const [name, cidr] of [
    ['web', '10.10.0.0/16'],
    ['db', '10.20.0.0/16'],
  ] as const) {
    await node.control.createNetwork({ tenant: 'acme', name, subnets: [{ cidr }] });
  }
});
afterEach(() => cluster.close());

const attach = (network: string, name: string) =>
  node.control.attach({ network: `acme/${network}`, netns: `/run/netns/${name}`, name });
const detach = (name: string) => node.control.detach(`acme/web/${name}`);
const blocks = () =>
  node.deps.view.list<BlockRecord>('blocks/').flatMap(({ parts }) => parts.map(({ cidr }) => cidr.slice(0, 5)));

it('detaches go on, attaches are refused and claim no space; with room both go on at the next call', async () => {
  await attach('web', 'one');
  await attach('web', 'two');
  disk.capacity = disk.used;
  // the reserve is taken for what is appended first
  await detach('one');
  expect(node.deps.ownership.records.journal.full).toBe(true);
  await expect(attach('web', 'three')).rejects.toMatchObject({ code: 'journal-full' });
  await expect(attach('db', 'four')).rejects.toMatchObject({ code: 'journal-full' });
  expect(blocks()).toEqual(['10.10']);
  await detach('two');
  disk.capacity = Infinity;
  await attach('web', 'three');
  await attach('db', 'four');
  expect(blocks().sort()).toEqual(['10.10', '10.20']);
});

it('that there is room is noticed by itself', async () => {
  await attach('web', 'one');
  disk.capacity = disk.used;
  await detach('one');
  const { ownership } = node.deps;
  expect(ownership.conditions().map(({ type }) => type)).toEqual(['journal-full']);
  disk.capacity = Infinity;
  await ownership.round(() => 0, new AbortController().signal);
  expect(ownership.conditions()).toEqual([]);
});
