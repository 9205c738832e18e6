import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Housekeeping } from '../../../src/control/housekeeping.ts';
import type { BindRequest, EngineControl, PoolRequest } from '../../../src/control/engines/port.ts';
import type { Control } from '../../../src/control/port.ts';
import { HOLD_TIME, LEAK_GRACE, RESTING_TIME } from '../../../src/model/limits.ts';
import { TestCluster } from '../../support/control.ts';

let cluster: TestCluster;
beforeEach(() => {
  cluster = new TestCluster();
});
afterEach(() => cluster.close());

type TestNode = Awaited<ReturnType<TestCluster['node']>>;

const POOL: PoolRequest = {
  engine: 'docker',
  addressSpace: 'weft-local',
  cidr: '10.10.0.0/16',
  range: '',
  v6: false,
  tenant: 'acme',
  network: 'web',
};

/** A pool with its gateway asked for, as Docker has it before CreateNetwork. */
async function pool(engines: EngineControl, wish: Partial<PoolRequest> = {}) {
  const { id, cidr } = await engines.requestPool({ ...POOL, ...wish });
  const { address } = await engines.requestAddress({ poolId: id, address: '', gateway: true });
  return { id, cidr, gateway: address.split('/')[0] ?? '' };
}

function bind(
  engines: EngineControl,
  engineId: string,
  pools: { cidr: string; gateway: string }[],
  more: Partial<BindRequest> = {},
) {
  const subnets = pools.map(({ cidr, gateway }) => ({ addressSpace: 'weft-local', cidr, gateway, reserved: [] }));
  return engines.bindNetwork({
    engine: 'docker',
    engineId,
    tenant: 'acme',
    network: 'web',
    subnets,
    internal: false,
    ...more,
  });
}

async function endpoint(engines: EngineControl, engineId: string, endpointId: string, addresses: string[]) {
  const request = { engine: 'docker', engineId, endpointId, addresses, mac: '', labels: {}, container: null } as const;
  return await engines.createEndpoint(request);
}

async function later({ deps }: TestNode, time: number): Promise<void> {
  let clock = 0;
  const housekeeping = new Housekeeping(deps, () => clock);
  await housekeeping.round(new AbortController().signal);
  clock = time;
  await housekeeping.round(new AbortController().signal);
}

const networks = (control: Control) => control.listNetworks({});

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
    expect(await networks(control)).toEqual([]);
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
    expect((await networks(control)).map(({ tenant }) => tenant).sort()).toEqual(['acme', 'beta']);
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
    expect(await networks(control)).toHaveLength(1);
    await control.engines.releasePool(v6.id);
    expect(await networks(control)).toEqual([]);
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

describe('a network that is extended', () => {
  it('gives the engine addresses of the new subnet once the one it knows has none left', async () => {
    const { control } = await cluster.node('host1');
    const known = await pool(control.engines, { cidr: '10.10.0.0/30' });
    await bind(control.engines, 'aaaa', [known]);
    const ask = (address = '') => control.engines.requestAddress({ poolId: known.id, address, gateway: false });
    expect(await ask()).toEqual({ address: '10.10.0.2/30' });
    await control.extendNetwork({ ref: 'acme/web', revision: 0, subnet: { cidr: 'fd00:9::/64' } });
    await expect(ask()).rejects.toMatchObject({ code: 'pool-exhausted' });
    await control.extendNetwork({ ref: 'acme/web', revision: 0, subnet: { cidr: '10.11.0.0/30' } });
    expect(await ask()).toEqual({ address: '10.11.0.2/30' });
    await expect(ask('10.10.0.2')).rejects.toMatchObject({ code: 'address-taken' });
    const made = await control.engines.createEndpoint({
      engine: 'docker',
      engineId: 'aaaa',
      endpointId: 'e1',
      addresses: ['10.11.0.2/30'],
      mac: '',
      labels: {},
      container: null,
    });
    const joined = await control.engines.joinEndpoint({
      engine: 'docker',
      engineId: 'aaaa',
      endpointId: 'e1',
      sandbox: '/run/docker/netns/x',
    });
    expect(joined).toMatchObject({ gateway4: '10.11.0.1', links: ['10.10.0.0/30'], endpoint: { id: made.id } });
    await control.engines.deleteEndpoint({ engine: 'docker', engineId: 'aaaa', endpointId: 'e1' });
    await control.engines.releaseAddress({ poolId: known.id, address: '10.11.0.2' });
    const { subnets } = await control.getNetwork('acme/web');
    expect(subnets.map(({ held, bound, resting }) => [held, bound, resting].join())).toEqual([
      '1,0,0',
      '0,0,0',
      '0,0,1',
    ]);
  });
});

describe('a network', () => {
  it('is not shared with one who reserves what it may give away', async () => {
    const { control } = await cluster.node('host1');
    await control.createTenant({ name: 'acme' });
    const reserved = ['10.10.3.0/24'];
    await control.createNetwork({ tenant: 'acme', name: 'web', subnets: [{ cidr: '10.10.0.0/16', reserved }] });
    const share = async (aux: string) => {
      const one = await pool(control.engines, { tenant: '', network: '' });
      await control.engines.requestAddress({ poolId: one.id, address: aux, gateway: false });
      const subnet = { addressSpace: 'weft-local', cidr: one.cidr, gateway: one.gateway, reserved: [aux] };
      try {
        return await bind(control.engines, aux, [], { subnets: [subnet] });
      } finally {
        await control.engines.releasePool(one.id);
      }
    };
    await share('10.10.3.7');
    await expect(share('10.10.4.7')).rejects.toMatchObject({
      code: 'subnet-mismatch',
      message: 'acme/web exists and does not reserve the auxiliary address 10.10.4.7',
    });
  });

  it('keeps static routes, and gives each endpoint those of its families', async () => {
    const { control } = await cluster.node('host1');
    const [v4, v6] = [await pool(control.engines), await pool(control.engines, { cidr: 'fd00:10::/64', v6: true })];
    const routes = [
      { destination: 'fd09::/48', via: 'fd00:10::fe' },
      { destination: '10.9.0.0/16', via: '10.10.0.254' },
    ];
    await bind(control.engines, 'aaaa', [v4, v6], { routes });
    const held = await control.engines.requestAddress({ poolId: v4.id, address: '', gateway: false });
    await endpoint(control.engines, 'aaaa', 'e1', [held.address]);
    const key = { engine: 'docker', engineId: 'aaaa', endpointId: 'e1', sandbox: '/run/docker/netns/x' } as const;
    expect((await control.engines.joinEndpoint(key)).routes).toEqual([routes[1]]);
    const again = [await pool(control.engines), await pool(control.engines, { cidr: 'fd00:10::/64', v6: true })];
    await bind(control.engines, 'bbbb', again, { routes: [...routes].reverse() });
    const other = await pool(control.engines);
    const none = bind(control.engines, 'cccc', [other], { routes: [] });
    await expect(none).rejects.toMatchObject({ message: 'acme/web exists with other routes' });
  });

  it.each([
    ['0.0.0.0/0', '10.10.0.254', /default route/],
    ['10.9.0.1/16', '10.10.0.254', /not a subnet/],
    ['10.9.0.0/16', '10.11.0.1', /in no IPv4 subnet/],
    ['10.9.0.0/16', 'fd00::1', /in no IPv4 subnet/],
    ['10.10.3.0/24', '10.10.0.254', /overlaps the network itself/],
    ['10.9.0.0/16', 'gate', /not an IP address/],
  ])('has no route to %s through %s', async (destination, via, message) => {
    const { control } = await cluster.node('host1');
    const create = bind(control.engines, 'aaaa', [await pool(control.engines)], { routes: [{ destination, via }] });
    await expect(create).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringMatching(message) as string,
    });
  });

  it('of IPv6 alone carries endpoints', async () => {
    const { control } = await cluster.node('host1');
    const v6 = await pool(control.engines, { cidr: '', v6: true });
    await bind(control.engines, 'aaaa', [v6]);
    const held = await control.engines.requestAddress({ poolId: v6.id, address: '', gateway: false });
    const made = await endpoint(control.engines, 'aaaa', 'e1', [held.address]);
    expect(made.addresses).toEqual([held.address]);
    const key = { engine: 'docker', engineId: 'aaaa', endpointId: 'e1', sandbox: '/run/docker/netns/x' } as const;
    expect(await control.engines.joinEndpoint(key)).toMatchObject({ gateway4: '', gateway6: v6.gateway });
  });

  it('without a subnet is none of ours', async () => {
    const { control } = await cluster.node('host1');
    await expect(bind(control.engines, 'aaaa', [])).rejects.toMatchObject({
      next: expect.stringContaining('--ipam-driver weft') as string,
    });
  });

  it('and an endpoint asked for twice at once are made once', async () => {
    const { control } = await cluster.node('host1');
    const one = await pool(control.engines);
    const [a, b] = await Promise.all([bind(control.engines, 'aaaa', [one]), bind(control.engines, 'aaaa', [one])]);
    expect(b.id).toBe(a.id);
    const held = await control.engines.requestAddress({ poolId: one.id, address: '', gateway: false });
    const make = () => endpoint(control.engines, 'aaaa', 'e1', [held.address]);
    const made = await Promise.all([make(), make(), make()]);
    expect(new Set(made.map(({ id }) => id)).size).toBe(1);
    expect(await cluster.keys('endpoints/', 'networks/')).toHaveLength(2);
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

describe('another driver on weft’s addresses', () => {
  it('is refused by name', async () => {
    const node = await cluster.node('host1');
    const one = await pool(node.control.engines);
    const ask = () => node.control.engines.requestAddress({ poolId: one.id, address: '', gateway: false });
    const reason = expect.stringMatching(/belongs to no weft network: another driver/) as string;
    await expect(ask()).rejects.toMatchObject({
      code: 'not-supported',
      message: reason,
      next: expect.stringContaining('docker.ipamOnly') as string,
    });
    await later(node, HOLD_TIME);
    await expect(ask()).rejects.toMatchObject({
      code: 'pool-not-found',
      message: expect.stringMatching(/no weft network has taken/) as string,
    });
  });

  it('may have them where that is configured, for as long as it does not give them back', async () => {
    const [one, two] = [
      await cluster.node('host1', { ipamOnly: true }),
      await cluster.node('host2', { ipamOnly: true }),
    ];
    const [a, b] = [await pool(one.control.engines), await pool(two.control.engines)];
    const ask = (node: TestNode, poolId: string, address = '') =>
      node.control.engines.requestAddress({ poolId, address, gateway: false });
    const first = await ask(one, a.id);
    const others = [await ask(one, a.id), await ask(two, b.id), await ask(two, b.id, '10.10.3.3')];
    expect(new Set([first, ...others].map(({ address }) => address)).size).toBe(4);
    await expect(ask(one, a.id, '10.10.3.3')).rejects.toMatchObject({ code: 'address-taken' });
    await later(one, 10 * HOLD_TIME);
    await later(two, 10 * HOLD_TIME);
    expect(await cluster.keys('addresses/')).toHaveLength(4);
    await one.control.engines.releaseAddress({ poolId: a.id, address: first.address.split('/')[0] ?? '' });
    await later(one, RESTING_TIME);
    expect(await cluster.keys('addresses/')).toHaveLength(3);
    await one.control.engines.releasePool(a.id);
    await two.control.engines.releasePool(b.id);
    expect(await cluster.keys('addresses/', 'pools/', 'networks/')).toEqual([]);
  });

  it('leaves weft’s own networks what they are, auxiliary addresses too', async () => {
    const node = await cluster.node('host1', { ipamOnly: true });
    const { engines } = node.control;
    const one = await pool(engines);
    await engines.requestAddress({ poolId: one.id, address: '10.10.0.7', gateway: false });
    const subnet = { addressSpace: 'weft-local', cidr: one.cidr, gateway: one.gateway, reserved: ['10.10.0.7'] };
    await bind(engines, 'aaaa', [], { subnets: [subnet] });
    expect(await cluster.keys('addresses/')).toEqual([]);
    const held = await engines.requestAddress({ poolId: one.id, address: '', gateway: false });
    await endpoint(engines, 'aaaa', 'e1', [held.address]);
    await engines.deleteEndpoint({ engine: 'docker', engineId: 'aaaa', endpointId: 'e1' });
    await engines.releasePool(one.id);
    await later(node, LEAK_GRACE);
    expect(await cluster.keys('addresses/', 'pools/', 'networks/', 'bindings/')).toEqual([]);
  });
});
