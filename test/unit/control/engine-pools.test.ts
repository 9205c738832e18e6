import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keys } from '../../../src/model/keys.ts';
import { HOLD_TIME, RESTING_TIME } from '../../../src/model/limits.ts';
import { TestCluster } from '../../support/control.ts';
import { POOL, bind, endpoint, later, pool } from '../../support/engine-requests.ts';

let cluster: TestCluster;
beforeEach(() => {
  cluster = new TestCluster();
});
afterEach(() => cluster.close());

describe('an address', () => {
  it('that an endpoint has is refused to whoever asks for it again', async () => {
    const { control } = await cluster.node('host1');
    const { engines } = control;
    const one = await pool(engines);
    await bind(engines, 'a', [one]);
    const ask = () => engines.requestAddress({ poolId: one.id, address: '10.10.0.7', gateway: false });
    const { address } = await ask();
    await endpoint(engines, 'a', 'e1', [address]);
    await expect(ask()).rejects.toMatchObject({
      code: 'address-taken',
      message: expect.stringContaining('docker-e1') as string,
    });
  });

  it('of a network that is being deleted is given to nobody', async () => {
    const { control, deps } = await cluster.node('host1');
    const { engines } = control;
    const one = await pool(engines);
    await bind(engines, 'a', [one]);
    const [network] = deps.view.current().state.networks.values();
    if (!network) throw new Error('a network is bound');
    const leaving = { since: '2026-01-01T00:00:00Z', force: false };
    const value = { ...network, leaving };
    await deps.store.transact({ compare: [], then: [{ put: keys.network(network.id), value }] });
    await deps.view.sync({ deadline: 1_000 });
    const ask = (gateway: boolean) => engines.requestAddress({ poolId: one.id, address: '', gateway });
    await expect(ask(false)).rejects.toMatchObject({ code: 'network-leaving' });
    expect((await ask(true)).address).toBe(`${one.gateway}/16`);
  });

  it('that is the gateway is the same to each who asks for it', async () => {
    const { control } = await cluster.node('host1');
    const { engines } = control;
    const one = await pool(engines);
    for (const address of ['', one.gateway]) {
      const again = await engines.requestAddress({ poolId: one.id, address, gateway: true });
      expect(again.address).toBe(`${one.gateway}/16`);
    }
  });
});

describe('a pool', () => {
  it('of everything is refused', async () => {
    const { control } = await cluster.node('host1');
    for (const wish of [{ cidr: '0.0.0.0/0' }, { cidr: '::/0', v6: true }]) {
      await expect(control.engines.requestPool({ ...POOL, ...wish })).rejects.toMatchObject({
        code: 'invalid-argument',
      });
    }
    expect(await control.listNetworks({})).toEqual([]);
  });

  it('that is chosen differs from all others, also from those chosen at the same time', async () => {
    const { control } = await cluster.node('host1');
    await control.createTenant({ name: 'other' });
    await control.createNetwork({ tenant: 'other', name: 'a', subnets: [{ cidr: '10.128.0.0/20' }] });
    const wish = { ...POOL, cidr: '', tenant: '', network: '' };
    const chosen = await Promise.all(Array.from({ length: 20 }, () => control.engines.requestPool(wish)));
    const cidrs = new Set(chosen.map(({ cidr }) => cidr));
    expect(cidrs.size).toBe(20);
    // the driver's option may name that tenant yet
    expect(cidrs).not.toContain('10.128.0.0/20');
  });

  it('of an existing network is not offered for ever to an engine that finds it in its way', async () => {
    const { control } = await cluster.node('host1');
    await control.createTenant({ name: 'acme' });
    await control.createNetwork({ tenant: 'acme', name: 'web', subnets: [{ cidr: '10.10.0.0/16' }] });
    let asked = 0;
    const askOn = async () => {
      for (; asked < 100; asked++) await control.engines.requestPool({ ...POOL, cidr: '' });
    };
    await expect(askOn()).rejects.toMatchObject({
      code: 'subnet-overlap',
      next: expect.stringContaining('--subnet 10.10.0.0/16') as string,
    });
    expect(asked).toBeGreaterThan(1);
    // insisting helps
    expect(await control.engines.requestPool(POOL)).toMatchObject({ cidr: '10.10.0.0/16' });
  });

  it('left by a create that broke off is not in the way of the next', async () => {
    const { control } = await cluster.node('host1');
    await control.engines.requestPool(POOL);
    await pool(control.engines);
    const good = await pool(control.engines);
    await bind(control.engines, 'aaaa', [good]);
    const held = await control.engines.requestAddress({ poolId: good.id, address: '', gateway: false });
    expect(held.address).toMatch(/^10\.10\..*\/16$/);
  });

  it('is told from one of another tenant by the names given', async () => {
    const { control } = await cluster.node('host1');
    const acme = await pool(control.engines);
    const beta = await pool(control.engines, { tenant: 'beta' });
    await bind(control.engines, 'aaaa', [beta], { tenant: 'beta' });
    await bind(control.engines, 'bbbb', [acme]);
    expect((await control.listNetworks({})).map(({ tenant }) => tenant).sort()).toEqual(['acme', 'beta']);
  });

  it('is refused where two that differ fit alike', async () => {
    const { control } = await cluster.node('host1');
    const one = await pool(control.engines);
    await pool(control.engines, { tenant: 'beta' });
    const create = bind(control.engines, 'aaaa', [one], { tenant: '', network: '' });
    await expect(create).rejects.toMatchObject({ code: 'store-conflict' });
  });

  it('given back last ends its network, as after a CreateNetwork whose answer was lost', async () => {
    const { control } = await cluster.node('host1');
    const [v4, v6] = [await pool(control.engines), await pool(control.engines, { cidr: 'fd00:10::/64', v6: true })];
    await bind(control.engines, 'aaaa', [v4, v6]);
    await control.engines.releasePool(v4.id);
    expect(await control.listNetworks({})).toHaveLength(1);
    await control.engines.releasePool(v6.id);
    expect(await control.listNetworks({})).toEqual([]);
    expect(await cluster.keys('bindings/', 'pools/', 'tenants/')).toEqual([]);
    await control.engines.unbindNetwork({ engine: 'docker', engineId: 'aaaa' });
  });

  it('of a second network of the engine goes without the first', async () => {
    const { control } = await cluster.node('host1');
    const one = await pool(control.engines);
    await bind(control.engines, 'aaaa', [one]);
    const two = await pool(control.engines);
    await bind(control.engines, 'bbbb', [two]);
    await control.engines.unbindNetwork({ engine: 'docker', engineId: 'bbbb' });
    expect(await cluster.keys('pools/')).toHaveLength(1);
    await control.engines.requestAddress({ poolId: one.id, address: '', gateway: false });
  });

  it('has the address asked for only where it lies in it', async () => {
    const { control } = await cluster.node('host1');
    const [one, two] = [await pool(control.engines), await pool(control.engines, { cidr: '10.20.0.0/16' })];
    await bind(control.engines, 'aaaa', [one, two]);
    const ask = (poolId: string, address: string) =>
      control.engines.requestAddress({ poolId, address, gateway: false });
    expect(await ask(two.id, '10.20.0.9')).toEqual({ address: '10.20.0.9/16' });
    await expect(ask(one.id, '10.20.0.10')).rejects.toMatchObject({ code: 'invalid-argument' });
  });

  it('gives what lies in its range, and anything else to who asks for it by name', async () => {
    const { control } = await cluster.node('host1');
    const ranged = await pool(control.engines, { range: '10.10.7.0/30' });
    await bind(control.engines, 'aaaa', [ranged]);
    const ask = (address: string) => control.engines.requestAddress({ poolId: ranged.id, address, gateway: false });
    const given = [await ask(''), await ask(''), await ask(''), await ask('')].map(({ address }) => address);
    expect(given.sort()).toEqual(['10.10.7.0/16', '10.10.7.1/16', '10.10.7.2/16', '10.10.7.3/16']);
    await expect(ask('')).rejects.toMatchObject({
      code: 'pool-exhausted',
      message: 'acme/web: no address of the range 10.10.7.0/30 is free: host1 4',
    });
    expect(await ask('10.10.9.9')).toEqual({ address: '10.10.9.9/16' });
  });
});

describe('what is never heard of again', () => {
  it('ends in time: holds, pools, endpoints that were never joined; what was joined stays', async () => {
    const node = await cluster.node('host1');
    const { engines } = node.control;
    const one = await pool(engines);
    await bind(engines, 'aaaa', [one]);
    await pool(engines, { cidr: '10.99.0.0/16', network: 'never' });
    const hold = () => engines.requestAddress({ poolId: one.id, address: '', gateway: false });
    await endpoint(engines, 'aaaa', 'never', [(await hold()).address]);
    await endpoint(engines, 'aaaa', 'joined', [(await hold()).address]);
    await hold();
    await engines.joinEndpoint({ engine: 'docker', engineId: 'aaaa', endpointId: 'joined', sandbox: '/x' });
    await later(node, HOLD_TIME);
    const left = await node.control.listEndpoints({});
    expect(left.map(({ engine }) => engine.endpointId)).toEqual(['joined']);
    await later(node, RESTING_TIME);
    expect(await cluster.keys('addresses/', 'pools/')).toHaveLength(2);
  });

  it('is not a container that comes back: its own address rests for it where the engine tells its name', async () => {
    const { control } = await cluster.node('host1');
    const one = await pool(control.engines);
    await bind(control.engines, 'aaaa', [one]);
    const hold = (name: string) =>
      control.engines.requestAddress({ poolId: one.id, address: '', gateway: false, name });
    const [web, db] = [(await hold('web')).address, (await hold('db')).address];
    for (const [id, address] of [
      ['e1', web],
      ['e2', db],
    ] as const) {
      await endpoint(control.engines, 'aaaa', id, [address]);
      await control.engines.deleteEndpoint({ engine: 'docker', engineId: 'aaaa', endpointId: id });
      await control.engines.releaseAddress({ poolId: one.id, address: address.split('/')[0] ?? '' });
    }
    expect((await hold('db')).address).toBe(db);
    expect((await hold('new')).address).not.toBe(web);
    expect((await hold('web')).address).toBe(web);
  });
});
