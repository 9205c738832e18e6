import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { turnOf } from '../../../src/control/ownership/blocks.ts';
import { TestCluster } from '../../support/control.ts';
import { bind, endpoint, pool } from '../../support/engine-requests.ts';
import { until } from '../../support/until.ts';

let cluster: TestCluster;
beforeEach(() => {
  cluster = new TestCluster();
});
afterEach(() => cluster.close());

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

describe('a network that an engine made', () => {
  it('is left as it is, with what rests in it, when another host binds it while its last binding goes', async () => {
    const [one, two] = [await cluster.node('host1'), await cluster.node('host2')];
    const known = await pool(one.control.engines);
    const network = await bind(one.control.engines, 'aaaa', [known]);
    const { address } = await one.control.engines.requestAddress({ poolId: known.id, address: '', gateway: false });
    await endpoint(one.control.engines, 'aaaa', 'e1', [address]);
    await one.control.engines.deleteEndpoint({ engine: 'docker', engineId: 'aaaa', endpointId: 'e1' });
    await one.control.engines.releaseAddress({ poolId: known.id, address: address.split('/')[0] ?? '' });
    const others = await pool(two.control.engines);
    one.deps.at = async () => {
      one.deps.at = undefined;
      await cluster.published();
      const transact = one.store.transact.bind(one.store);
      one.store.transact = async (...what) => {
        one.store.transact = transact;
        await bind(two.control.engines, 'bbbb', [others]);
        return transact(...what);
      };
    };
    await one.control.engines.unbindNetwork({ engine: 'docker', engineId: 'aaaa' });
    const [kept] = await one.control.listNetworks({});
    expect(kept).toMatchObject({ id: network.id, state: 'ready' });
    expect(await cluster.keys('addresses/', 'bindings/')).toEqual([
      `addresses/${network.id}/${address.split('/')[0]}`,
      expect.stringContaining('/bbbb'),
    ]);
  });
});

describe('a network that goes with its last engine, while a node has not let go of it yet,', () => {
  /** `end` has that node let go of it. */
  async function goes() {
    const [one, two] = [await cluster.node('host1'), await cluster.node('host2')];
    const { id } = await bind(one.control.engines, 'aaaa', [await pool(one.control.engines)]);
    const known = await pool(two.control.engines);
    await bind(two.control.engines, 'bbbb', [known]);
    const { address } = await two.control.engines.requestAddress({ poolId: known.id, address: '', gateway: false });
    await two.control.engines.releaseAddress({ poolId: known.id, address: address.split('/')[0] ?? '' });
    await two.control.engines.unbindNetwork({ engine: 'docker', engineId: 'bbbb' });
    let end = (): void => undefined;
    const turn = two.deps.turns.take(turnOf(id), () => new Promise<void>((resolve) => (end = resolve)));
    const gone = one.control.engines.unbindNetwork({ engine: 'docker', engineId: 'aaaa' });
    const isLeaving = () => two.deps.view.current().state.networks.get(id)?.leaving !== undefined;
    await until(isLeaving, { what: 'the mark' });
    const three = await cluster.node('host3');
    const again = bind(three.control.engines, 'cccc', [await pool(three.control.engines)]);
    return { three, id, again, end: () => (end(), Promise.all([turn, gone])) };
  }

  it('is made anew by who binds it meanwhile, once it is gone', async () => {
    const { three, id, again, end } = await goes();
    await end();
    const made = await again;
    expect(made.id).not.toBe(id);
    expect(await three.control.listNetworks({})).toMatchObject([{ id: made.id, state: 'ready' }]);
    expect(await cluster.keys('bindings/')).toEqual([expect.stringContaining('/cccc')]);
  });

  it('is refused to who binds it meanwhile when that takes too long', async () => {
    const { again, end } = await goes();
    await expect(again).rejects.toMatchObject({ code: 'network-leaving' });
    await end();
  });
});

describe('a network that weft has an engine make', () => {
  it('and that a user removes at once, before anybody looked, is declined', async () => {
    const { control } = await cluster.node('host1');
    const [engine, state] = ['docker', 'connected'] as const;
    await control.following.report({ engine, state, id: 'E1', version: '', liveRestore: false, problems: [] });
    await control.createTenant({ name: 'acme' });
    const { id } = await control.createNetwork({ tenant: 'acme', name: 'web', subnets: [{ cidr: '10.10.0.0/16' }] });
    await bind(control.engines, 'aaaa', [await pool(control.engines)], { synced: 'E1' });
    await control.engines.unbindNetwork({ engine, engineId: 'aaaa' });
    const [status] = await control.listEngines({});
    expect(status?.networks).toMatchObject([{ network: 'acme/web', state: 'declined' }]);
    expect(await cluster.keys('networks/')).toEqual([`networks/${id}`]);
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
