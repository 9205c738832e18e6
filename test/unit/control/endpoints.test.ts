import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Housekeeping } from '../../../src/control/housekeeping.ts';
import type { ListFilter } from '../../../src/control/port.ts';
import { formatAddress, parseAddress } from '../../../src/model/address/address.ts';
import { WeftError } from '../../../src/model/errors.ts';
import { keys } from '../../../src/model/keys.ts';
import { HANDLER_DEADLINE, RESTING_TIME } from '../../../src/model/limits.ts';
import { TestCluster } from '../../support/control.ts';

let cluster: TestCluster;
beforeEach(() => {
  cluster = new TestCluster();
});
afterEach(() => cluster.close());

async function twoHosts(cidr = '10.10.0.0/16') {
  const [one, two] = [await cluster.node('host1'), await cluster.node('host2')];
  await one.control.createTenant({ name: 'acme' });
  await one.control.createNetwork({ tenant: 'acme', name: 'web', subnets: [{ cidr }, { cidr: 'fd00:1::/64' }] });
  return { one, two };
}

describe('a list', () => {
  it('shows what fits its filter, each part of it', async () => {
    const { one, two } = await twoHosts();
    await one.control.createTenant({ name: 'beta' });
    await one.control.createNetwork({ tenant: 'acme', name: 'db', subnets: [{ cidr: '10.11.0.0/16' }] });
    await two.deps.view.sync({ deadline: 1_000 });
    const { id, network } = await one.control.attach({ network: 'acme/web', netns: '/a', name: 'a' });
    await two.control.attach({ network: 'acme/web', netns: '/b', name: 'b', labels: { app: 'shop', tier: 'front' } });
    await two.control.attach({ network: 'acme/db', netns: '/c', name: 'c', labels: { app: 'db' } });
    const container = { id: `c0ffee${'0'.repeat(58)}`, name: 'shop', image: 'box', project: 'store' };
    const description = { endpoint: id, network, node: one.deps.node.id, container, labels: { role: 'web' } };
    one.deps.ownership.records.append([{ put: keys.description(id), value: description }]);
    await cluster.published();
    await one.deps.view.sync({ deadline: 1_000 });
    const cases: [filter: ListFilter, names: string[]][] = [
      [{}, ['a', 'b', 'c']],
      [{ tenant: 'acme' }, ['a', 'b', 'c']],
      [{ tenant: 'beta' }, []],
      [{ network: 'web' }, ['a', 'b']],
      [{ network: 'acme/db' }, ['c']],
      [{ node: 'host2' }, ['b', 'c']],
      [{ node: 'host3' }, []],
      [{ state: 'ready' }, ['a', 'b', 'c']],
      [{ state: 'lost' }, []],
      [{ container: 'shop' }, ['a']],
      [{ container: 'c0ffee' }, ['a']],
      [{ container: 'sho' }, []],
      [{ project: 'store' }, ['a']],
      [{ project: 'other' }, []],
      [{ labels: ['app'] }, ['b', 'c']],
      [{ labels: ['app=shop', 'tier=front'] }, ['b']],
      [{ labels: ['role=web'] }, ['a']],
      [{ node: 'host2', network: 'web' }, ['b']],
    ];
    for (const [filter, names] of cases) {
      const shown = await one.control.listEndpoints(filter);
      expect(
        shown.map(({ name }) => name),
        JSON.stringify(filter),
      ).toEqual(names);
    }
  });
});

describe('an update', () => {
  it('that was decided from an older endpoint is refused, and changes nothing', async () => {
    const { one } = await twoHosts();
    const { revision } = await one.control.attach({ network: 'acme/web', netns: '/run/netns/a', name: 'a' });
    await cluster.published();
    await one.deps.view.sync({ deadline: 1_000 });
    const update = (asked: number, app: string) =>
      one.control.updateEndpoint({ ref: 'acme/web/a', revision: asked, labels: { app } });
    const now = (await one.control.getEndpoint('acme/web/a')).revision;
    expect(now).toBeGreaterThan(revision);
    await update(now, 'shop');
    await cluster.published();
    await one.deps.view.sync({ deadline: 1_000 });
    await expect(update(now, 'other')).rejects.toMatchObject({ code: 'changed-meanwhile', object: 'acme/web/a' });
    expect(await one.control.getEndpoint('acme/web/a')).toMatchObject({ labels: { app: 'shop' } });
  });
});

describe('attach', () => {
  it('gives one address of each family, a MAC that follows from it, and the network MTU', async () => {
    const { one } = await twoHosts();
    const endpoint = await one.control.attach({
      network: 'acme/web',
      netns: '/run/netns/c1',
      name: 'c1',
      addresses: ['10.10.0.9'],
    });
    expect(endpoint).toMatchObject({
      name: 'c1',
      tenant: 'acme',
      network: 'web',
      node: 'host1',
      mtu: 1450,
      state: 'ready',
    });
    expect(endpoint.addresses[0]).toBe('10.10.0.9/16');
    expect(endpoint.addresses[1]).toMatch(/^fd00:1::.*\/64$/);
    expect(endpoint.mac).toMatch(/^02:..:0a:0a:00:09$/);
  });

  it('fills a pool to its last address from two hosts at once, no address twice, and then says so', async () => {
    const { one, two } = await twoHosts('10.10.0.0/27');
    const results = await Promise.allSettled(
      Array.from({ length: 36 }, (_, i) =>
        (i % 2 ? one : two).control.attach({ network: 'acme/web', netns: `/run/netns/c${i}` }),
      ),
    );
    const addresses = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value.addresses[0]] : []));
    expect(new Set(addresses).size).toBe(29);
    expect(addresses).toHaveLength(29);
    for (const result of results) {
      if (result.status === 'rejected')
        expect(result.reason).toMatchObject({ code: 'pool-exhausted', object: 'acme/web' });
    }
  });

  it('gives addresses that come one by one to as many of those who wait, and tells the others that the pool is full', async () => {
    const { one, two } = await twoHosts('10.10.0.0/26');
    const on = (node: typeof one, addresses: string[] = []) =>
      node.control.attach({ network: 'acme/web', netns: '/run/netns/c', addresses });
    // Between two that are in use lies one that is not: no split gives more than that.
    for (let last = 2; last <= 62; last += 2) await on(two, [`10.10.0.${last}`]);
    const results = await Promise.allSettled(Array.from({ length: 60 }, () => on(one)));
    const refusals = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as WeftError] : []));
    expect(refusals.map(({ code }) => code)).toEqual(Array.from({ length: 30 }, () => 'pool-exhausted'));
  });

  it('is given what there is, or told that the pool is full, also when those before it took all its time', async () => {
    const { one } = await twoHosts('10.10.0.0/28');
    const on = () => one.control.attach({ network: 'acme/web', netns: '/run/netns/c' });
    const { id } = await one.control.getNetwork('acme/web');
    const waiting: Promise<unknown>[] = [];
    const clock = vi.spyOn(performance, 'now');
    try {
      await one.deps.turns.take(`space/${id}`, async () => {
        waiting.push(...Array.from({ length: 20 }, on));
        await one.deps.view.sync({ deadline: 1_000 });
        const late = performance.now() + HANDLER_DEADLINE;
        clock.mockImplementation(() => late);
      });
      const results = await Promise.allSettled(waiting);
      const refusals = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as WeftError] : []));
      expect(refusals.map(({ code }) => code)).toEqual(Array.from({ length: 7 }, () => 'pool-exhausted'));
    } finally {
      clock.mockRestore();
    }
  });

  it('leaves nothing behind when the kernel refuses', async () => {
    const { one } = await twoHosts();
    one.reconciler.failing = new WeftError('sandbox-gone', 'no such namespace');
    await expect(one.control.attach({ network: 'acme/web', netns: '/nowhere' })).rejects.toMatchObject({
      code: 'sandbox-gone',
    });
    expect(await cluster.keys('endpoints/', 'names/endpoint/')).toEqual([]);
    expect(await one.control.listEndpoints({})).toEqual([]);
  });

  it('names the holder of an address that is taken', async () => {
    const { one, two } = await twoHosts();
    await one.control.attach({ network: 'acme/web', netns: '/run/netns/a', name: 'db', addresses: ['10.10.0.9'] });
    await expect(
      two.control.attach({ network: 'acme/web', netns: '/run/netns/b', addresses: ['10.10.0.9'] }),
    ).rejects.toMatchObject({
      code: 'address-taken',
      message: '10.10.0.9 of acme/web is taken: endpoint "db" on host1',
    });
    await expect(two.control.detach('acme/web/db')).rejects.toMatchObject({ code: 'not-supported', host: 'host1' });
  });

  it('lets an address rest, save for the host that released it', async () => {
    const { one, two } = await twoHosts();
    const wish = { network: 'acme/web', netns: '/run/netns/a', name: 'db', addresses: ['10.10.0.9', 'fd00:1::9'] };
    await one.control.attach(wish);
    await one.control.detach('acme/web/db');
    await expect(two.control.attach(wish)).rejects.toMatchObject({ code: 'address-taken' });
    await one.control.attach(wish);
    await one.control.detach('acme/web/db');
    let clock = 0;
    const housekeeping = new Housekeeping(one.deps, () => clock);
    await housekeeping.round(new AbortController().signal);
    clock = RESTING_TIME - 1;
    await housekeeping.round(new AbortController().signal);
    expect(await cluster.keys('addresses/')).toHaveLength(2);
    clock = RESTING_TIME;
    await housekeeping.round(new AbortController().signal);
    expect(await cluster.keys('addresses/')).toEqual([]);
    await two.control.attach(wish);
  });

  it('keeps an address that was asked for by itself from whoever wants any', async () => {
    const { one } = await twoHosts();
    await one.control.createNetwork({ tenant: 'acme', name: 'db', subnets: [{ cidr: '10.12.0.0/24' }] });
    const attach = async (name: string, ...addresses: string[]) => {
      const wish = { network: 'acme/db', netns: `/run/netns/${name}`, name, addresses };
      return (await one.control.attach(wish)).addresses[0]?.split('/')[0] ?? '';
    };
    const first = parseAddress(await attach('a'))!;
    const next = (count: bigint) => formatAddress({ ...first, value: first.value + count });
    await attach('b', next(2n));
    await attach('c', next(1n));
    await one.control.detach('acme/db/b');
    let clock = 0;
    const housekeeping = new Housekeeping(one.deps, () => clock);
    await housekeeping.round(new AbortController().signal);
    clock = RESTING_TIME;
    await housekeeping.round(new AbortController().signal);
    expect(await attach('d')).toBe(next(3n));
    expect(await attach('b', next(2n))).toBe(next(2n));
  });
});
