/** What a node leaves behind that the cluster forgot. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Housekeeping } from '../../../src/control/housekeeping.ts';
import { keys, prefixes } from '../../../src/model/keys.ts';
import { RESTING_TIME } from '../../../src/model/limits.ts';
import { TestCluster } from '../../support/control.ts';

type Node = Awaited<ReturnType<TestCluster['node']>>;

let cluster: TestCluster;
/** of those that stay, the one that collects what is left, and another */
let collector: Node;
let other: Node;
let gone: Node;
let clock = 0;

beforeEach(async () => {
  clock = 0;
  cluster = new TestCluster();
  const stay = [await cluster.node('host1'), await cluster.node('host2')];
  [collector, other] = stay.sort((a, b) => (a.deps.node.id < b.deps.node.id ? -1 : 1)) as [Node, Node];
  gone = await cluster.node('host3');
  await gone.control.createTenant({ name: 'acme' });
  await gone.control.createNetwork({ tenant: 'acme', name: 'web', subnets: [{ cidr: '10.10.0.0/24' }] });
  await gone.control.attach({ network: 'acme/web', netns: '/run/netns/c1', name: 'c1' });
  await cluster.published();
  await collector.control.forgetNode({ ref: 'host3', force: true });
});
afterEach(() => cluster.close());

const left = () => cluster.keys(prefixes.endpoints, prefixes.addresses, prefixes.blocks);

/** Both look, again and again, for longer than anything rests. */
async function look(): Promise<void> {
  const houses = [collector, other].map(({ deps }) => new Housekeeping(deps, () => clock));
  for (let i = 0; i < 4; i++) {
    for (const { deps } of [collector, other]) await deps.view.sync({ deadline: 1_000 });
    for (const house of houses) await house.round(new AbortController().signal);
    clock += RESTING_TIME;
  }
}

it('is collected', async () => {
  expect(await left()).toHaveLength(3);
  await look();
  expect(await left()).toEqual([]);
});

it.each([
  ['the one that collects', () => collector],
  ['another', () => other],
  ['one that was forgotten, and is still heard from', () => gone],
])('is kept while the kernel of a node follows no more: %s', async (_, pick) => {
  const { reconciler } = pick();
  const follows = reconciler.applied.bind(reconciler);
  reconciler.applied = () => ({ ...follows(), revision: 1 });
  await look();
  expect(await left()).toHaveLength(3);
  reconciler.applied = follows;
  await look();
  expect(await left()).toEqual([]);
});

it('is kept while a kernel follows what was before the store was put back', async () => {
  const { reconciler } = collector;
  const follows = reconciler.applied.bind(reconciler);
  reconciler.applied = () => ({ ...follows(), revision: Number.MAX_SAFE_INTEGER });
  await look();
  expect(await left()).toHaveLength(3);
});

it('is kept by one that runs from an older disk, whose kernel is not that of the node it is taken for', async () => {
  const { id } = collector.deps.node;
  const fence = { node: id, bootId: 'newer', sequence: 99 };
  await collector.store.transact({ compare: [], then: [{ put: keys.fence(id), value: fence }] });
  await collector.deps.ownership.standing.prove({ deadline: 1_000 });
  expect(collector.deps.ownership.standing.state).toBe('behind');
  await look();
  expect(await left()).toHaveLength(3);
});
