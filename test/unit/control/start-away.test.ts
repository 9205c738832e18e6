/** A daemon that starts while the store is away: what it serves, what it gives out, and what happens when the store is back. */
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PictureWriter } from '../../../src/control/kept/writer.ts';
import { lacking, startFrom } from '../../../src/control/kept/start.ts';
import type { Start } from '../../../src/control/kept/start.ts';
import { keys } from '../../../src/model/keys.ts';
import type { Found, Picture } from '../../../src/store/picture/port.ts';
import { settings, TestCluster } from '../../support/control.ts';
import { until } from '../../support/until.ts';

type Node = Awaited<ReturnType<TestCluster['node']>>;

const log = pino({ level: 'silent' });
let cluster: TestCluster;
let one: Node;
let two: Node;

beforeEach(async () => {
  cluster = new TestCluster();
  [one, two] = [await cluster.node('host1'), await cluster.node('host2')];
  await one.store.transact({ compare: [], then: [{ put: keys.settings, value: settings }] });
  await one.control.createTenant({ name: 'acme' });
  await one.control.createNetwork({ tenant: 'acme', name: 'web', subnets: [{ cidr: '10.10.0.0/16' }] });
});
afterEach(() => cluster.close());

const attach = (node: Node, name: string, ...addresses: string[]) =>
  node.control.attach({ network: 'acme/web', netns: `/run/netns/${name}`, addresses });

const names = async (node: Node) => (await node.control.listEndpoints({})).map(({ id }) => id).sort();

/** As the writer keeps it and a start finds it. */
function pictureOf(node: Node): Picture {
  const { view } = node.deps;
  return {
    node: node.deps.node.id,
    cluster: settings.id,
    takenAt: '2026-01-01T00:00:00.000Z',
    ...view.toKeep(),
  };
}

function startOf(node: Node): Start {
  const found = startFrom({ ok: true, picture: pictureOf(node) }, node.deps.node.id);
  if (!found.ok) throw new Error(found.reason);
  return found.start;
}

/** The daemon of a node is started again: in the same boot, or in another. */
async function again(node: Node, start: Start, bootId = node.deps.node.bootId): Promise<Node> {
  const { journal } = node;
  journal.fresh = false;
  return cluster.node('host1', { restart: { id: node.deps.node.id, bootId, journal, start } });
}

describe('a start while the store is away', () => {
  it('shows the cluster as it was kept, with this node’s journal over it, and says so', async () => {
    const [mine, ended] = [await attach(one, 'mine'), await attach(one, 'ended')];
    const theirs = await attach(two, 'theirs');
    await cluster.published();
    await one.deps.view.sync({ deadline: 1_000 });
    const start = startOf(one);
    await one.control.detach(ended.id);
    const node = await again(one, start);
    expect(await names(node)).toEqual([mine.id, theirs.id].sort());
    const status = await node.control.status();
    expect(status.store.state).toBe('away');
    expect(status.conditions).toMatchObject([{ type: 'store-picture', object: 'etcd', since: start.takenAt }]);
    expect(status.conditions[0]?.message).toContain(`revision ${start.revision}`);
  });

  it('goes on attaching and detaching in its own space, and refuses the rest by name', async () => {
    const mine = await attach(one, 'mine');
    await cluster.published();
    const node = await again(one, startOf(one));
    const fresh = await attach(node, 'fresh');
    expect(fresh.addresses[0]).not.toBe(mine.addresses[0]);
    await node.control.detach(mine.id);
    expect(await names(node)).toEqual([fresh.id]);
    await expect(node.control.createTenant({ name: 'other' })).rejects.toMatchObject({ code: 'store-away' });
    const elsewhere = theirBlock(mine.addresses[0] ?? '');
    await expect(attach(node, 'far', elsewhere)).rejects.toMatchObject({ code: 'store-away' });
  });

  it('takes the store’s word for all of it as soon as there is one, and publishes its own', async () => {
    await attach(one, 'mine');
    const theirs = await attach(two, 'theirs');
    await cluster.published();
    await one.deps.view.sync({ deadline: 1_000 });
    const start = startOf(one);
    await two.control.detach(theirs.id);
    const later = await attach(two, 'later');
    await cluster.published();
    const node = await again(one, start);
    expect(await names(node)).toContain(theirs.id);
    const fresh = await attach(node, 'fresh');
    node.store.setAway(false);
    await node.deps.view.sync({ deadline: 4_000 });
    expect(node.deps.view.complete).toBe(true);
    await node.deps.ownership.publisher.flush({ deadline: 4_000 });
    await two.deps.view.sync({ deadline: 4_000 });
    expect(await names(node)).not.toContain(theirs.id);
    expect(await names(node)).toEqual(expect.arrayContaining([later.id, fresh.id]));
    expect(await names(two)).toEqual(await names(node));
    expect((await node.control.status()).conditions).toEqual([]);
  });

  it('in a new boot gives back what was bound as it began, and no address besides', async () => {
    const mine = await attach(one, 'mine');
    const [address = ''] = (mine.addresses[0] ?? '').split('/');
    await cluster.published();
    const node = await again(one, startOf(one), 'another-boot');
    await expect(attach(node, 'fresh')).rejects.toMatchObject({ code: 'store-away' });
    await node.control.detach(mine.id);
    const back = await attach(node, 'back');
    expect(back.addresses[0]).toBe(`${address}/16`);
    await expect(attach(node, 'fresh')).rejects.toMatchObject({ code: 'store-away' });
    await node.control.detach(back.id);
    await expect(attach(node, 'wanted', address)).resolves.toMatchObject({ addresses: [`${address}/16`] });
  });

  it('in a new boot gives an address that was wanted by itself to nobody who wants any', async () => {
    const fixed = await attach(one, 'fixed', '10.10.0.20');
    const any = await attach(one, 'any');
    await cluster.published();
    const node = await again(one, startOf(one), 'another-boot');
    // An engine gives up all that it had before it starts its containers, which then ask in any order.
    await node.control.detach(fixed.id);
    await node.control.detach(any.id);
    expect((await attach(node, 'any')).addresses).toEqual(any.addresses);
    await expect(attach(node, 'fresh')).rejects.toMatchObject({ code: 'store-away' });
    expect((await attach(node, 'fixed', '10.10.0.20')).addresses).toEqual(['10.10.0.20/16']);
  });

  it('of a node that is known to be forgotten, or behind, gives nothing', async () => {
    await attach(one, 'mine');
    await cluster.published();
    await one.deps.view.sync({ deadline: 1_000 });
    const { id } = one.deps.node;
    const start = startOf(one);
    const told = (key: string, value: unknown): Start => ({
      ...start,
      entries: [...start.entries.filter((entry) => entry.key !== key), { key, value, revision: 1, created: 1 }],
    });
    const fenced = await again(one, told(keys.epoch(id), { node: id, epoch: 2 }));
    await expect(attach(fenced, 'a')).rejects.toMatchObject({ code: 'node-fenced' });
    expect(fenced.deps.ownership.standing.state).toBe('fenced');
    const behind = await again(one, told(keys.fence(id), { node: id, bootId: 'x', sequence: 1_000 }));
    expect(behind.deps.ownership.standing.state).toBe('behind');
    await expect(attach(behind, 'b')).rejects.toMatchObject({ code: 'node-fenced' });
    await expect(again(one, told(keys.forgotten(id), { id, at: 'then' }))).rejects.toMatchObject({
      code: 'node-forgotten',
    });
    behind.store.setAway(false);
    await behind.deps.ownership.standing.prove({ deadline: 4_000 });
    expect(behind.deps.ownership.standing.state).toBe('proven');
  });

  it('is not made from a picture of another node, of none, or without the constants', async () => {
    const picture = pictureOf(one);
    const { id } = one.deps.node;
    const without = (key: string): Found => ({
      ok: true,
      picture: { ...picture, entries: picture.entries.filter((entry) => entry.key !== key) },
    });
    expect(startFrom({ ok: true, picture }, id).ok).toBe(true);
    expect(startFrom({ ok: true, picture }, two.deps.node.id)).toMatchObject({ ok: false });
    expect(startFrom(without(keys.settings), id)).toMatchObject({ ok: false });
    expect(startFrom(without(keys.node(id)), id)).toMatchObject({ ok: false });
    await attach(one, 'mine');
    const own = () => one.deps.ownership.records.entries();
    expect(lacking(startOf(one), own())).toBeUndefined();
    const found = startFrom(without(keys.network([...one.deps.view.current().state.networks.keys()][0] ?? '')), id);
    expect(found.ok && lacking(found.start, own())).toBeTypeOf('string');
    expect(startFrom({ ok: false, reason: 'torn' }, id)).toEqual({ ok: false, reason: 'torn' });
  });
});

/** An address of the pool far from this one. */
function theirBlock(cidr: string): string {
  return cidr.startsWith('10.10.200.') ? '10.10.100.7' : '10.10.200.7';
}

describe('the writer of the picture', () => {
  it('writes what changed together, once, without secrets and without what the journal has', async () => {
    const saved: Picture[] = [];
    const stop = new AbortController();
    const keeper = {
      load: () => Promise.reject(new Error('not read here')),
      save: (picture: Picture) => Promise.resolve(void saved.push(picture)),
      discard: () => Promise.resolve(),
    };
    const { view, store, node } = one.deps;
    const now = () => new Date('2026-01-02T00:00:00Z');
    const writer = new PictureWriter({
      ...{ view, store, keeper, now, log },
      node: node.id,
      cluster: settings.id,
      pause: 20,
    });
    const running = writer.run(stop.signal);
    await one.store.transact({ compare: [], then: [{ put: keys.token('t'), value: { hash: 'secret' } }] });
    await Promise.all(['a', 'b', 'c'].map((name) => attach(one, name)));
    const theirs = await attach(two, 'theirs');
    await cluster.published();
    await until(() => saved.some(({ entries }) => entries.some(({ key }) => key.endsWith(theirs.id))), {
      what: 'what the other node made is kept',
    });
    stop.abort();
    await running;
    const last = saved.at(-1);
    expect(last).toMatchObject({ node: node.id, cluster: settings.id, takenAt: '2026-01-02T00:00:00.000Z' });
    const kept = last?.entries.map(({ key }) => key) ?? [];
    expect(kept).toEqual(expect.arrayContaining([keys.settings, keys.node(node.id)]));
    expect(kept.filter((key) => key.startsWith('tokens/'))).toEqual([]);
    expect(last?.entries.filter(({ value }) => (value as { node?: string; id?: string }).node === node.id)).toEqual(
      expect.not.arrayContaining([
        expect.objectContaining({ key: expect.stringMatching(/^(endpoints|addresses)\//) as string }),
      ]),
    );
  });

  it('writes all that was told as soon as the store is away, though it would have waited for more', async () => {
    const saved: Picture[] = [];
    const stop = new AbortController();
    const keeper = {
      load: () => Promise.reject(new Error('not read here')),
      save: (picture: Picture) => Promise.resolve(void saved.push(picture)),
      discard: () => Promise.resolve(),
    };
    const { view, store, node } = one.deps;
    const waiting = { cluster: settings.id, now: () => new Date(), log, pause: 60_000 };
    const running = new PictureWriter({ ...{ view, store, keeper, node: node.id }, ...waiting }).run(stop.signal);
    const theirs = await attach(two, 'theirs');
    await cluster.published();
    await view.sync({ deadline: 1_000 });
    expect(saved).toEqual([]);
    one.store.setAway(true);
    await until(() => saved.length > 0, { what: 'the picture to be kept' });
    expect(saved[0]?.entries.map(({ key }) => key)).toContainEqual(expect.stringMatching(`/${theirs.id}$`));
    stop.abort();
    await running;
    expect(saved).toHaveLength(1);
  });

  it('tries again what could not be written, and writes a last time when it ends', async () => {
    let refusals = 1;
    const saved: number[] = [];
    const stop = new AbortController();
    const keeper = {
      load: () => Promise.reject(new Error('not read here')),
      save: ({ revision }: Picture) =>
        refusals-- > 0 ? Promise.reject(new Error('ENOSPC')) : Promise.resolve(void saved.push(revision)),
      discard: () => Promise.resolve(),
    };
    const { view, store, node } = one.deps;
    const now = () => new Date();
    const writer = new PictureWriter({
      ...{ view, store, keeper, now, log },
      node: node.id,
      cluster: settings.id,
      pause: 1,
    });
    const running = writer.run(stop.signal);
    await one.control.createTenant({ name: 'other' });
    await until(() => refusals <= 0, { what: 'the first try' });
    stop.abort();
    await running;
    expect(saved).toEqual([view.revision]);
  });
});
