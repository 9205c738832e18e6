import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HOLD_TIME, LEAK_GRACE, RESTING_TIME } from '../../../src/model/limits.ts';
import { TestCluster } from '../../support/control.ts';
import { bind, endpoint, later, pool } from '../../support/engine-requests.ts';
import type { TestNode } from '../../support/engine-requests.ts';

let cluster: TestCluster;
beforeEach(() => {
  cluster = new TestCluster();
});
afterEach(() => cluster.close());

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
