import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Housekeeping } from '../../../src/control/housekeeping.ts';
import { HOLD_TIME } from '../../../src/model/limits.ts';
import type { PoolRequest } from '../../../src/control/engines/port.ts';
import type { Control } from '../../../src/control/port.ts';
import { TestCluster } from '../../support/control.ts';
import { bind, endpoint as createEndpoint, POOL, pool as requestPool } from '../../support/engine-requests.ts';

let cluster: TestCluster;
beforeEach(() => {
  cluster = new TestCluster();
});
afterEach(() => cluster.close());

/** The calls of `docker network create`, in Docker's order. */
async function createNetwork(
  control: Control,
  engineId: string,
  options: Partial<PoolRequest> & { aux?: string[]; internal?: boolean } = {},
) {
  const { aux = [], internal = false, ...pool } = options;
  const { id, cidr, gateway } = await requestPool(control.engines, pool);
  for (const address of aux) await control.engines.requestAddress({ poolId: id, address, gateway: false });
  const subnets = [{ addressSpace: 'weft-local', cidr, gateway, reserved: aux }];
  const network = await bind(control.engines, engineId, [], { ...pool, subnets, internal });
  return { poolId: id, network };
}

async function run(control: Control, poolId: string, engineId: string, endpointId: string, address = '') {
  const held = await control.engines.requestAddress({ poolId, address, gateway: false });
  const endpoint = await createEndpoint(control.engines, engineId, endpointId, [held.address]);
  const join = await control.engines.joinEndpoint({
    engine: 'docker',
    engineId,
    endpointId,
    sandbox: '/run/docker/netns/x',
  });
  return { endpoint, join, address: held.address };
}

async function stop(control: Control, poolId: string, engineId: string, endpointId: string, address: string) {
  await control.engines.deleteEndpoint({ engine: 'docker', engineId, endpointId });
  await control.engines.releaseAddress({ poolId, address: address.split('/')[0]! });
}

async function remove(control: Control, poolId: string, engineId: string) {
  await control.engines.releaseAddress({ poolId, address: '10.10.0.1' });
  await control.engines.releasePool(poolId);
  await control.engines.unbindNetwork({ engine: 'docker', engineId });
}

describe('an engine’s network', () => {
  it('is made once and shared by the hosts, and is gone with its last binding', async () => {
    const [one, two] = [await cluster.node('host1'), await cluster.node('host2')];
    const a = await createNetwork(one.control, 'aaaa', { aux: ['10.10.0.7'] });
    const b = await createNetwork(two.control, 'bbbb', { aux: ['10.10.0.7'] });
    expect(b.network.id).toBe(a.network.id);
    expect(b.network).toMatchObject({ origin: 'engine', subnets: [{ gateway: '10.10.0.1', reserved: ['10.10.0.7'] }] });
    await remove(one.control, a.poolId, 'aaaa');
    expect(await two.control.getNetwork('acme/web')).toMatchObject({ bindings: [{ node: 'host2', engineId: 'bbbb' }] });
    await remove(two.control, b.poolId, 'bbbb');
    expect(
      await cluster.keys(
        'tenants/',
        'networks/',
        'names/net',
        'names/ten',
        'pools/',
        'bindings/',
        'subnets/',
        'vnis/',
        'addresses/',
      ),
    ).toEqual([]);
  });

  it('runs containers with addresses that are held, bound, held and free again', async () => {
    const { control } = await cluster.node('host1');
    const { poolId } = await createNetwork(control, 'aaaa');
    const first = await run(control, poolId, 'aaaa', 'e1');
    expect(first.join).toMatchObject({
      gateway4: '10.10.0.1',
      gateway6: '',
      interfaceName: expect.stringMatching(/^wc/) as string,
    });
    const wished = await run(control, poolId, 'aaaa', 'e2', '10.10.0.77');
    expect(wished.endpoint.addresses).toEqual(['10.10.0.77/16']);
    expect(wished.endpoint.name).toBe('docker-e2');
    await control.engines.releaseAddress({ poolId, address: '10.10.0.77' });
    expect(await control.listEndpoints({})).toHaveLength(2);
    await stop(control, poolId, 'aaaa', 'e2', '10.10.0.77/16');
    expect((await run(control, poolId, 'aaaa', 'e3', '10.10.0.77')).endpoint.addresses).toEqual(['10.10.0.77/16']);
    await stop(control, poolId, 'aaaa', 'e3', '10.10.0.77/16');
    await control.engines.deleteEndpoint({ engine: 'docker', engineId: 'aaaa', endpointId: 'never' });
  });

  it('refuses an endpoint whose hold is gone, and one of another driver’s addresses', async () => {
    const { control, deps } = await cluster.node('host1');
    const { poolId } = await createNetwork(control, 'aaaa');
    const held = await control.engines.requestAddress({ poolId, address: '', gateway: false });
    let clock = 0;
    const housekeeping = new Housekeeping(deps, () => clock);
    await housekeeping.round(new AbortController().signal);
    clock = HOLD_TIME;
    await housekeeping.round(new AbortController().signal);
    const create = control.engines.createEndpoint({
      engine: 'docker',
      engineId: 'aaaa',
      endpointId: 'e1',
      addresses: [held.address],
      mac: '',
      labels: {},
      container: null,
    });
    await expect(create).rejects.toMatchObject({ code: 'hold-lost' });
    const bind = control.engines.bindNetwork({
      engine: 'docker',
      engineId: 'bbbb',
      tenant: '',
      network: '',
      subnets: [{ addressSpace: 'LocalDefault', cidr: '172.18.0.0/16', gateway: '172.18.0.1', reserved: [] }],
      internal: false,
    });
    await expect(bind).rejects.toMatchObject({
      code: 'not-supported',
      next: expect.stringContaining('--ipam-driver weft') as string,
    });
    const pool = await control.engines.requestPool({ ...POOL, network: 'other', cidr: '10.44.0.0/16' });
    await expect(
      control.engines.requestAddress({ poolId: pool.id, address: '', gateway: false }),
    ).rejects.toMatchObject({ code: 'not-supported' });
  });

  it('shares a network made by name, refuses other subnets with both named, and leaves it when the engine goes', async () => {
    const { control } = await cluster.node('host1');
    await control.createTenant({ name: 'acme' });
    await control.createNetwork({ tenant: 'acme', name: 'web', subnets: [{ cidr: '10.10.0.0/16' }] });
    await expect(control.engines.requestPool({ ...POOL, cidr: '10.11.0.0/16' })).rejects.toMatchObject({
      code: 'subnet-mismatch',
      message: 'acme/web exists with 10.10.0.0/16, not with 10.11.0.0/16',
    });
    const { poolId } = await createNetwork(control, 'aaaa', { cidr: '' });
    await expect(control.deleteNetwork({ ref: 'acme/web', force: false })).rejects.toMatchObject({
      code: 'network-in-use',
    });
    await remove(control, poolId, 'aaaa');
    await control.deleteNetwork({ ref: 'acme/web', force: false });
  });

  it('gives each unnamed network a name of its own and a subnet that no other has', async () => {
    const { control } = await cluster.node('host1');
    const none = { tenant: '' as never, network: '' as never, cidr: '' as never };
    const a = await createNetwork(control, 'aaaaaaaaaaaaaaaa', none);
    const b = await createNetwork(control, 'bbbbbbbbbbbbbbbb', none);
    expect(a.network).toMatchObject({ tenant: 'default', name: 'docker-aaaaaaaaaaaa' });
    expect(b.network.subnets[0]!.cidr).not.toBe(a.network.subnets[0]!.cidr);
  });
});
