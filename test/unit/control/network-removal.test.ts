/** A network goes while nodes own space in it, some of which are down; what those find when they are back. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Housekeeping } from '../../../src/control/housekeeping.ts';
import { turnOf } from '../../../src/control/ownership/blocks.ts';
import { keys } from '../../../src/model/keys.ts';
import { LEAK_GRACE } from '../../../src/model/limits.ts';
import type { Network } from '../../../src/model/objects.ts';
import { TestCluster } from '../../support/control.ts';
import { bind, pool } from '../../support/engine-requests.ts';
import { until } from '../../support/until.ts';

type TestNode = Awaited<ReturnType<TestCluster['node']>>;

let cluster: TestCluster;
let one: TestNode;
let two: TestNode;
let network: string;

beforeEach(async () => {
  cluster = new TestCluster();
  [one, two] = [await cluster.node('host1'), await cluster.node('host2')];
  await one.control.createTenant({ name: 'acme' });
  const subnets = [{ cidr: '10.10.0.0/24' }];
  ({ id: network } = await one.control.createNetwork({ tenant: 'acme', name: 'web', subnets }));
});
afterEach(() => cluster.close());

const attach = (node: TestNode) => node.control.attach({ network: 'acme/web', netns: '/run/netns/c' });
const spaceOf = (node: TestNode) => [...node.deps.ownership.records.entries('space/')].map(([key]) => key);

/** host2 is cut off, and its lease has ended. */
async function goesDown(): Promise<void> {
  await cluster.published();
  two.store.setAway(true);
  await one.store.transact({ compare: [], then: [{ delete: keys.live(two.deps.node.id) }] });
  await one.deps.view.sync({ deadline: 1_000 });
}

async function isBack(): Promise<void> {
  two.store.setAway(false);
  const life = { node: two.deps.node.id, bootId: two.deps.node.bootId };
  await two.store.transact({ compare: [], then: [{ put: keys.live(life.node), value: life }] });
  await two.deps.view.sync({ deadline: 1_000 });
}

/** What nobody has any more, and is not anybody's yet. */
const restingOn = (node: TestNode) => [...node.deps.ownership.records.entries('addresses/')].length;

/** As a deletion does that meets an endpoint which it had not seen yet. */
async function mark(leaving: Network['leaving']): Promise<void> {
  const { value } = (await one.store.get(keys.network(network))).entry ?? {};
  const marked: Network = { ...(value as Network), ...(leaving && { leaving }) };
  if (!leaving) delete marked.leaving;
  await one.store.transact({ compare: [], then: [{ put: keys.network(network), value: marked }] });
}

/** An engine on host2 has bound the network, and asked for an address; its key. */
async function holdThere(): Promise<string> {
  const known = await pool(two.control.engines, { cidr: '10.10.0.0/24' });
  await bind(two.control.engines, 'aaaa', [known]);
  const { address } = await two.control.engines.requestAddress({ poolId: known.id, address: '', gateway: false });
  return keys.address(network, address.split('/')[0] ?? '');
}

it('is not marked when somebody binds it in the meantime', async () => {
  await one.control.detach((await attach(one)).id);
  await cluster.published();
  const record = async () => (await one.store.get(keys.network(network))).entry;
  const before = await record();
  const transact = one.store.transact.bind(one.store);
  one.store.transact = async (...what) => {
    one.store.transact = transact;
    await holdThere();
    return transact(...what);
  };
  await expect(one.control.deleteNetwork({ ref: 'acme/web', force: false })).rejects.toMatchObject({
    code: 'network-in-use',
  });
  expect(await record()).toEqual(before);
});

describe('a network that is marked as leaving', () => {
  const leaving = { since: '2026-01-01T00:00:00Z', force: false };

  it('takes the space of a node in it as soon as its last endpoint is gone, with what rests there', async () => {
    const { id } = await attach(two);
    await mark(leaving);
    await two.deps.view.sync({ deadline: 1_000 });
    await two.control.detach(id);
    await two.deps.ownership.settled();
    expect([spaceOf(two), restingOn(two)]).toEqual([[], 0]);
  });

  it.each([
    ['as that node has seen', false],
    ['which that node, cut off, has not seen', true],
  ])('keeps it when the mark was taken back before, %s', async (_, cutOff) => {
    const { id } = await attach(two);
    await mark(leaving);
    await two.deps.view.sync({ deadline: 1_000 });
    let done = (): void => undefined;
    const others = new Promise<void>((resolve) => (done = resolve));
    const turn = two.deps.turns.take(turnOf(network), () => others);
    await two.control.detach(id);
    two.store.setAway(cutOff);
    await mark(undefined);
    if (!cutOff) await two.deps.view.sync({ deadline: 1_000 });
    done();
    await turn;
    await two.deps.ownership.settled();
    expect([spaceOf(two), restingOn(two)]).toEqual([[`space/${network}`], 1]);
  });

  it('keeps what is held for an engine that bound it before the mark, which did not know', async () => {
    const hold = await holdThere();
    await mark(leaving);
    await two.deps.view.sync({ deadline: 1_000 });
    await two.deps.ownership.settled();
    await two.deps.ownership.round(() => 0, new AbortController().signal);
    expect(two.deps.ownership.records.has(hold)).toBe(true);
    expect(spaceOf(two)).toEqual([`space/${network}`]);
  });

  it('takes no space from a node at the word of its older disk', async () => {
    await two.control.detach((await attach(two)).id);
    await cluster.published();
    const { id } = two.deps.node;
    const fence = { node: id, bootId: 'newer', sequence: 99 };
    await two.store.transact({ compare: [], then: [{ put: keys.fence(id), value: fence }] });
    await two.deps.ownership.standing.prove({ deadline: 1_000 });
    await mark(leaving);
    await two.deps.view.sync({ deadline: 1_000 });
    await new Housekeeping(two.deps, () => 0).round(new AbortController().signal);
    expect(two.deps.ownership.standing.state).toBe('behind');
    expect((await one.store.list('blocks/')).entries).toHaveLength(1);
  });
});

describe('a network in which a node that is down owns space', () => {
  it('is deleted at once; the node drops its space when it is back, and gives nothing out', async () => {
    await two.control.detach((await attach(two)).id);
    await goesDown();
    await one.control.deleteNetwork({ ref: 'acme/web', force: false });
    expect(await one.control.listNetworks({})).toEqual([]);
    expect((await one.store.list('blocks/')).entries).toEqual([]);
    expect(spaceOf(two)).toEqual([`space/${network}`]);
    await isBack();
    await expect(attach(two)).rejects.toMatchObject({ code: 'network-not-found' });
    await two.deps.ownership.round(() => 0, new AbortController().signal);
    expect(spaceOf(two)).toEqual([]);
    expect(await cluster.keys('addresses/', 'blocks/')).toEqual([]);
  });

  it('stays with all its space while it is in use', async () => {
    await attach(one);
    await two.control.detach((await attach(two)).id);
    await goesDown();
    const before = (await one.store.list('blocks/')).entries.map(({ value }) => value);
    await expect(one.control.deleteNetwork({ ref: 'acme/web', force: false })).rejects.toMatchObject({
      code: 'network-in-use',
    });
    expect((await one.store.list('blocks/')).entries.map(({ value }) => value)).toEqual(before);
    expect((await one.control.getNetwork('acme/web')).state).toBe('ready');
  });

  it('takes with it what that node gave out while it was cut off, once it is back', async () => {
    await two.control.detach((await attach(two)).id);
    await goesDown();
    await attach(two);
    await one.control.deleteNetwork({ ref: 'acme/web', force: false });
    let now = 0;
    const housekeeping = new Housekeeping(two.deps, () => now);
    await isBack();
    await until(
      async () => {
        now += LEAK_GRACE;
        await housekeeping.round(new AbortController().signal);
        return [...two.deps.ownership.records.entries()].length === 0;
      },
      { what: 'the node to drop what it has of the network' },
    );
    expect(await cluster.keys('endpoints/', 'addresses/', 'blocks/')).toEqual([]);
  });
});
