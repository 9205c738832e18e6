/** A node that has more space in a network than it needs. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Housekeeping } from '../../../src/control/housekeeping.ts';
import type { BlockRecord } from '../../../src/model/ipam/blocks.ts';
import { WeftError } from '../../../src/model/errors.ts';
import { RESTING_TIME } from '../../../src/model/limits.ts';
import { TestCluster } from '../../support/control.ts';

const MINUTE = 60_000;
let cluster: TestCluster;
let node: Awaited<ReturnType<TestCluster['node']>>;
let other: Awaited<ReturnType<TestCluster['node']>>;
let clock = 0;
let round: () => Promise<void>;

beforeEach(async () => {
  cluster = new TestCluster();
  [node, other] = [await cluster.node('host1'), await cluster.node('host2')];
  await node.control.createTenant({ name: 'acme' });
  // blocks of 16
  await node.control.createNetwork({ tenant: 'acme', name: 'web', subnets: [{ cidr: '10.10.0.0/24' }] });
  clock = 0;
  const housekeeping = new Housekeeping(node.deps, () => clock);
  round = () => housekeeping.round(new AbortController().signal);
});
afterEach(() => cluster.close());

const attach = (name: string, on = node) =>
  on.control.attach({ network: 'acme/web', netns: `/run/netns/${name}`, name });
const detach = (name: string) => node.control.detach(`acme/web/${name}`);
const names = (count: number) => Array.from({ length: count }, (_, i) => `c${i}`);

/** Top blocks of which the node owns something, by the store and by its journal. */
async function blocks(): Promise<[stored: number, own: number]> {
  await node.deps.view.sync({ deadline: 1_000 });
  const records = node.deps.view.list<BlockRecord>('blocks/');
  const stored = records.filter(({ parts }) => parts.some(({ owner }) => owner === node.deps.node.id));
  const space = [...node.deps.ownership.records.entries('space/')].map(([, value]) => value as { parts: string[] });
  const sizes = space.flatMap(({ parts }) => parts.map((part) => 2 ** (28 - Number(part.split('/')[1]))));
  return [stored.length, sizes.reduce((sum, size) => sum + size, 0)];
}

const settled = () => node.deps.ownership.settled();

/** Until all that was released is free, and is seen to be. */
async function rest(): Promise<void> {
  await round();
  clock += RESTING_TIME;
  await round();
  await round();
}

it('gives empty blocks back a minute after the last address has rested, save what it needs', async () => {
  for (const name of names(40)) await attach(name);
  await settled();
  const [most] = await blocks();
  expect(most).toBeGreaterThan(2);
  for (const name of names(40).slice(2)) await detach(name);
  await rest();
  clock += MINUTE - 1;
  await round();
  expect(await blocks()).toEqual([most, most]);
  clock += 1;
  await round();
  const [stored, own] = await blocks();
  expect(stored).toBeLessThanOrEqual(2);
  expect(own).toBe(stored);
  // what stays is used as before, what went is anybody's
  const addresses = new Set<string | undefined>();
  for (const name of names(60)) addresses.add((await attach(`o${name}`, other)).addresses[0]);
  for (const name of names(60)) addresses.add((await attach(`n${name}`)).addresses[0]);
  expect(addresses.size).toBe(120);
});

it('keeps a block that is needed again before its time is over', async () => {
  for (const name of names(14)) await attach(name);
  await settled();
  const before = await blocks();
  expect(before[0]).toBeGreaterThan(1);
  for (const name of names(14).slice(1)) await detach(name);
  await rest();
  clock += MINUTE / 2;
  await round();
  for (const name of names(13)) await attach(`again-${name}`);
  await round();
  clock += MINUTE;
  await round();
  expect(await blocks()).toEqual(before);
});

it('has given back sooner or later what the store did not hear of at first', async () => {
  for (const name of names(40)) await attach(name);
  await settled();
  const before = await blocks();
  for (const name of names(40).slice(1)) await detach(name);
  await rest();
  clock += MINUTE;
  // in between it is nobody's who would give it out
  const transact = node.store.transact.bind(node.store);
  node.store.transact = () => Promise.reject(new WeftError('store-away', 'not now'));
  await round();
  node.store.transact = transact;
  expect(await blocks()).toEqual([before[0], 1]);
  await round();
  expect(await blocks()).toEqual([1, 1]);
});
