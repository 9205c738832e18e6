import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Housekeeping } from '../../../src/control/housekeeping.ts';
import { followClaims } from '../../../src/control/sharing/claims.ts';
import { takeClaim } from '../../../src/control/sharing/holder.ts';
import { WeftError } from '../../../src/model/errors.ts';
import { keys } from '../../../src/model/keys.ts';
import { RESTING_TIME } from '../../../src/model/limits.ts';
import type { Network } from '../../../src/model/objects.ts';
import type { AddressClaim } from '../../../src/plan/port-guard/claim.ts';
import { TestCluster } from '../../support/control.ts';

const ADDRESS = '10.10.0.100';
const ADDRESS6 = 'fd00:10::100';

let cluster: TestCluster;

beforeEach(() => {
  cluster = new TestCluster();
});

afterEach(() => cluster.close());

/** acme/web with a on host1, b and c on host2. */
async function started(clock?: () => number) {
  const one = await cluster.node('host1', clock ? { clock } : {});
  const two = await cluster.node('host2');
  await one.control.createTenant({ name: 'acme' });
  const subnets = [{ cidr: '10.10.0.0/24' }, { cidr: 'fd00:10::/64' }];
  const { id } = await one.control.createNetwork({ tenant: 'acme', name: 'web', subnets });
  await one.control.attach({ network: 'acme/web', netns: '/a', name: 'a' });
  await two.control.attach({ network: 'acme/web', netns: '/b', name: 'b' });
  await two.control.attach({ network: 'acme/web', netns: '/c', name: 'c' });
  await cluster.published();
  for (const { deps } of [one, two]) await deps.view.sync({ deadline: 1_000 });
  const reserved = () => one.deps.view.value<Network>(keys.network(id))?.subnets.flatMap((subnet) => subnet.reserved);
  const share = (endpoints: string[], address = ADDRESS) =>
    one.control.shareAddress({ network: 'acme/web', address, endpoints });
  return { one, two, id, reserved, share };
}

const of = (address = ADDRESS, endpoints: string[] = []) => ({ network: 'acme/web', address, endpoints });

describe('sharing an address', () => {
  it('keeps it back for its endpoints, the first of which has it', async () => {
    const { one, two, reserved, share } = await started();
    expect(await share(['b', 'acme/web/a'])).toMatchObject({
      ...{ address: ADDRESS, tenant: 'acme', network: 'web', holder: 'b', node: 'host2', endpoints: ['b', 'a'] },
      ...{ state: 'held', by: 'command', note: '' },
    });
    expect(await share(['c'], 'FD00:10:0::100')).toMatchObject({ address: ADDRESS6, holder: 'c' });
    expect(reserved()).toEqual([ADDRESS, ADDRESS6]);
    const listed = await two.control.listSharedAddresses({ tenant: 'acme', network: 'web' });
    expect(listed.map(({ address }) => address)).toEqual([ADDRESS, ADDRESS6]);
    expect(await two.control.listSharedAddresses({ network: 'db' })).toEqual([]);
    expect((await two.control.getEndpoint('acme/web/b')).shared).toEqual([{ address: ADDRESS, holds: true }]);
    expect((await two.control.getEndpoint('acme/web/a')).shared).toEqual([{ address: ADDRESS, holds: false }]);
    for (const { control } of [one, two]) {
      const wish = { network: 'acme/web', netns: '/d', addresses: [ADDRESS] };
      await expect(control.attach(wish)).rejects.toMatchObject({ code: 'address-outside' });
    }
    expect(one.deps.view.keys('addresses/').filter((key) => key.endsWith(`/${ADDRESS}`))).toEqual([]);
  });

  it('takes an address out of another node’s space, and never one that somebody has', async () => {
    const { one, two, share } = await started();
    const { addresses } = await two.control.attach({ network: 'acme/web', netns: '/d' });
    const [own = ''] = addresses[0]?.split('/') ?? [];
    await expect(share(['a'], own)).rejects.toMatchObject({ code: 'address-taken' });
    await expect(one.control.listSharedAddresses({})).resolves.toEqual([]);
    const next = own.replace(/\d+$/, (last) => String(Number(last) + 1));
    expect(await share(['a'], next)).toMatchObject({ holder: 'a' });
  });

  it('uses what was reserved before, and leaves that reservation', async () => {
    const { one, reserved, share } = await started();
    const nothing = { revision: 0, labels: {}, reserve: [], unreserve: [] };
    await one.control.updateNetwork({ ...nothing, ref: 'acme/web', reserve: ['10.10.0.96/28'] });
    await share(['a', 'b']);
    await expect(
      one.control.updateNetwork({ ...nothing, ref: 'acme/web', unreserve: ['10.10.0.96/28'] }),
    ).rejects.toMatchObject({ code: 'invalid-argument', message: expect.stringContaining('unreserve[0]') as string });
    expect(reserved()).toEqual(['10.10.0.96/28']);
  });

  it.each([
    ['somewhere', ['a'], 'invalid-argument', 'address: '],
    ['10.10.0.1', ['a'], 'invalid-argument', 'gateway'],
    ['10.10.0.255', ['a'], 'invalid-argument', 'broadcast'],
    ['10.11.0.1', ['a'], 'address-outside', 'in no subnet'],
    [ADDRESS, ['nobody'], 'endpoint-not-found', 'nobody'],
    [ADDRESS, [], 'invalid-argument', 'endpoints: '],
  ])('refuses %s for %j', async (address, endpoints, code, text) => {
    const { one, share, reserved } = await started();
    await expect(share(endpoints, address)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(text) as string,
    });
    expect(reserved()).toEqual([]);
    expect(one.deps.view.keys('shared/')).toEqual([]);
  });

  it('that fails lets an address rest that its last holder has just given back', async () => {
    const { one, id, share } = await started();
    await one.control.attach({ network: 'acme/web', netns: '/d', name: 'd', addresses: [ADDRESS] });
    await one.control.detach('acme/web/d');
    const transact = vi.spyOn(one.store, 'transact').mockRejectedValue(new WeftError('store-away', 'no store'));
    await expect(share(['a'])).rejects.toMatchObject({ code: 'store-away' });
    transact.mockRestore();
    expect(one.deps.view.value(keys.address(id, ADDRESS))).toMatchObject({ state: 'resting' });
  });

  it('goes with its network', async () => {
    const { one, two, share } = await started();
    await share(['a', 'b']);
    await one.control.detach('acme/web/a');
    for (const name of ['b', 'c']) await two.control.detach(`acme/web/${name}`);
    await cluster.published();
    await one.control.deleteNetwork({ ref: 'acme/web', force: true });
    expect(await cluster.keys('shared/')).toEqual([]);
  });
});

describe('the holder of a shared address', () => {
  it('changes by command, among those that may hold it', async () => {
    const { one, two, share } = await started();
    await share(['a', 'b']);
    const to = (endpoint: string) => two.control.moveAddress({ network: 'acme/web', address: ADDRESS, endpoint });
    expect(await to('b')).toMatchObject({ holder: 'b', node: 'host2', by: 'command' });
    await expect(to('c')).rejects.toMatchObject({
      code: 'invalid-argument',
      next: `weft address share acme/web ${ADDRESS} c`,
    });
    await share(['c']);
    expect(await to('c')).toMatchObject({ holder: 'c', endpoints: ['a', 'b', 'c'] });
    await expect(
      one.control.moveAddress({ network: 'acme/web', address: '10.10.0.101', endpoint: 'a' }),
    ).rejects.toMatchObject({ code: 'address-not-shared' });
  });

  it('changes when one of them announces it on its own host, and for nobody else', async () => {
    const { one, two, share } = await started();
    await share(['a', 'b']);
    const macOf = async (name: string) => (await two.control.getEndpoint(`acme/web/${name}`)).mac;
    const claim = (mac: string, address = ADDRESS) => ({ namespace: 'acme', address, mac, at: 0 });
    const [a, b, c] = [await macOf('a'), await macOf('b'), await macOf('c')];
    expect(await takeClaim(two.deps, claim(b))).toBe(true);
    expect(await two.control.listSharedAddresses({})).toMatchObject([{ holder: 'b', by: 'announcement' }]);
    for (const [deps, said] of [
      [two.deps, claim(b)],
      [two.deps, claim(c)],
      [two.deps, claim(a)],
      [two.deps, claim(b, '10.10.0.101')],
      [two.deps, { ...claim(b), namespace: 'beta' }],
    ] as const) {
      expect(await takeClaim(deps, said)).toBe(false);
    }
    expect(await takeClaim(one.deps, claim(a))).toBe(true);
    expect(await one.control.listSharedAddresses({})).toMatchObject([{ holder: 'a' }]);
  });

  it('is who announced it a moment ago, not who did while the store was away', async () => {
    const { two, share } = await started();
    await share(['a', 'b', 'c']);
    const said = async (name: string, age: number) => {
      const { mac } = await two.control.getEndpoint(`acme/web/${name}`);
      return { namespace: 'acme', address: ADDRESS, mac, at: performance.now() - age };
    };
    const claims = Readable.from([await said('c', 1_000), await said('b', 10_000)]);
    await followClaims(two.deps, claims as AsyncIterable<AddressClaim>, new AbortController().signal);
    expect(await two.control.listSharedAddresses({})).toMatchObject([{ holder: 'c', by: 'announcement' }]);
  });

  it('is nobody when it is gone, and says who is next', async () => {
    const { one, two, share } = await started();
    await share(['b', 'a']);
    await two.control.detach('acme/web/b');
    await cluster.published();
    const [left] = await one.control.listSharedAddresses({});
    expect(left).toMatchObject({ state: 'waiting', holder: '', endpoints: ['a'] });
    expect(left?.note).toBe('its holder is gone: the first of a that announces it has it');
    expect(await share(['c'])).toMatchObject({ state: 'held', holder: 'c', endpoints: ['a', 'c'] });
  });
});

describe('giving a shared address up', () => {
  it('takes endpoints from it one by one', async () => {
    const { one, share } = await started();
    await share(['a', 'b', 'c']);
    await one.control.unshareAddress(of(ADDRESS, ['b']));
    expect(await one.control.listSharedAddresses({})).toMatchObject([{ holder: 'a', endpoints: ['a', 'c'] }]);
    await one.control.unshareAddress(of(ADDRESS, ['a']));
    expect(await one.control.listSharedAddresses({})).toMatchObject([{ state: 'waiting', endpoints: ['c'] }]);
    await expect(one.control.unshareAddress(of(ADDRESS, ['a']))).rejects.toMatchObject({ code: 'invalid-argument' });
  });

  it('lets it rest before others get it, or takes it back meanwhile', async () => {
    let now = 0;
    const { one, two, share, reserved } = await started();
    const house = new Housekeeping(one.deps, () => now);
    const look = () => house.round(new AbortController().signal);
    await share(['a', 'b']);
    await one.control.unshareAddress(of());
    expect(await one.control.listSharedAddresses({})).toMatchObject([{ state: 'resting', endpoints: [] }]);
    await expect(one.control.unshareAddress(of())).rejects.toMatchObject({ code: 'address-not-shared' });
    expect(await share(['b'])).toMatchObject({ state: 'held', holder: 'b' });
    await one.control.unshareAddress(of());
    await look();
    now = RESTING_TIME - 1;
    await look();
    expect(reserved()).toEqual([ADDRESS]);
    now = RESTING_TIME;
    await look();
    expect(reserved()).toEqual([]);
    expect(await one.control.listSharedAddresses({})).toEqual([]);
    const wish = { network: 'acme/web', netns: '/d', addresses: [ADDRESS] };
    expect((await two.control.attach(wish)).addresses).toContain(`${ADDRESS}/24`);
  });
});
