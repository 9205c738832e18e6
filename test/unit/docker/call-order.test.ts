/** What users do, as dockerd of each version makes calls of it, against the plugin over a cluster in memory. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeDockerd } from '../../support/fake-dockerd.ts';
import { VERSIONS } from '../../support/fake-dockerd-records.ts';
import type { NetworkWish, Version } from '../../support/fake-dockerd-records.ts';
import type { Fate } from '../../support/plugin-client.ts';
import { TestCluster } from '../../support/control.ts';
import { startPlugin } from './plugin.ts';

const WEB: NetworkWish = {
  name: 'web',
  v4: [{ cidr: '10.10.0.0/16', range: '10.10.7.0/24', aux: ['10.10.7.9'] }],
  v6: [{ cidr: 'fd00:10::/64' }],
  options: { tenant: 'acme', network: 'web', routes: '10.9.0.0/16=10.10.0.254' },
  ipamOptions: { tenant: 'acme', network: 'web' },
};
const BACK: NetworkWish = { name: 'back', v4: [{ cidr: '' }], internal: true, options: { tenant: 'acme' } };
const CREATED = ['RequestAddress', 'RequestAddress', 'CreateEndpoint', 'Join'];

let cluster: TestCluster;
const closers: (() => Promise<void>)[] = [];
beforeEach(() => {
  cluster = new TestCluster();
});
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  await cluster.close();
});

async function host(name: string, version: Version, fateOf?: (method: string) => Fate) {
  const node = await cluster.node(name);
  const plugin = await startPlugin(node.control.engines);
  closers.push(() => plugin.close());
  const dockerd = new FakeDockerd({ socketPath: plugin.socketPath, version, ...(fateOf ? { fateOf } : {}) });
  await dockerd.activate();
  const since = () => dockerd.calls.splice(0);
  since();
  return { ...node, dockerd, since };
}

const left = () => cluster.keys('endpoints/', 'bindings/', 'networks/', 'pools/', 'tenants/', 'names/net', 'vnis/');

describe.each(VERSIONS)('dockerd %i', (version) => {
  test('carries a container from network create to network rm', async () => {
    const { control, dockerd, since } = await host('host1', version);
    await dockerd.createNetwork(WEB);
    const spaces = version >= 27 ? ['GetDefaultAddressSpaces'] : [];
    expect(since()).toEqual([
      ...[...spaces, 'RequestPool', 'RequestAddress', 'RequestAddress'],
      ...[...spaces, 'RequestPool', 'RequestAddress', 'CreateNetwork'],
    ]);
    await dockerd.run('one', ['web']);
    expect(since()).toEqual([...CREATED, 'ProgramExternalConnectivity', 'EndpointOperInfo']);
    const [endpoint] = await control.listEndpoints({});
    expect(endpoint?.addresses[0]).toMatch(/^10\.10\.7\.\d+\/16$/);
    await dockerd.stop('one');
    expect(since()).toEqual([
      ...['RevokeExternalConnectivity', 'Leave', 'DeleteEndpoint', 'ReleaseAddress', 'ReleaseAddress'],
    ]);
    await dockerd.removeNetwork('web');
    expect(since().at(-1)).toBe('DeleteNetwork');
    expect(await left()).toEqual([]);
    expect(dockerd.complaints).toEqual([]);
  });

  test('moves the way out from network to network', async () => {
    const { dockerd, since } = await host('host1', version);
    await dockerd.createNetwork(WEB);
    await dockerd.createNetwork(BACK);
    await dockerd.createNetwork({ ...BACK, name: 'front', internal: false });
    await dockerd.run('one', ['back']);
    expect(since()).not.toContain('ProgramExternalConnectivity');
    await dockerd.connect('one', 'front');
    expect(since()).toContain('ProgramExternalConnectivity');
    await dockerd.connect('one', 'web');
    const moved = since().slice(-6);
    const programmed = moved.filter((call) => call.endsWith('ExternalConnectivity'));
    expect(programmed).toEqual(['RevokeExternalConnectivity', 'ProgramExternalConnectivity']);
    await dockerd.disconnect('one', 'web');
    expect(since()).toEqual([
      ...['RevokeExternalConnectivity', 'Leave', 'ProgramExternalConnectivity'],
      ...['EndpointOperInfo', 'EndpointOperInfo', 'DeleteEndpoint', 'ReleaseAddress', 'ReleaseAddress'],
    ]);
    expect(dockerd.complaints).toEqual([]);
  });

  test('publishes ports, fails a run whose ports are taken, and nothing of it is left', async () => {
    const { control, dockerd, since } = await host('host1', version);
    await dockerd.createNetwork(WEB);
    await dockerd.run('one', ['web'], { ports: [80] });
    const published = (await control.listPorts({})).map(({ hostPort, targets }) => [hostPort, targets.length]);
    expect(published).toEqual([[80, 2]]);
    since();
    await expect(dockerd.run('two', ['web'], { ports: [80] })).rejects.toThrow(/80\/tcp is held by .*port-taken/);
    expect(since()).toEqual([
      ...[...CREATED, 'ProgramExternalConnectivity'],
      ...['Leave', 'DeleteEndpoint', 'ReleaseAddress', 'ReleaseAddress'],
    ]);
    expect(await control.listEndpoints({})).toHaveLength(1);
    // beside an internal network's they are nobody's matter here
    await dockerd.createNetwork(BACK);
    await dockerd.run('three', ['back'], { ports: [80] });
    expect(await control.listPorts({})).toHaveLength(1);
    await dockerd.stop('one');
    expect(await control.listPorts({})).toEqual([]);
    await dockerd.run('two', ['web'], { ports: [80] });
    expect(dockerd.complaints).toEqual([]);
  });

  test('takes published ports along where the way out moves', async () => {
    const { control, dockerd } = await host('host1', version);
    await dockerd.createNetwork({ ...BACK, name: 'front', internal: false });
    await dockerd.createNetwork(WEB);
    await dockerd.run('one', ['front'], { ports: [80] });
    const networks = async () => (await control.listPorts({})).map(({ network }) => network);
    const before = await networks();
    await dockerd.connect('one', 'web');
    const after = await networks();
    expect([before.length, after.length, after[0] === before[0]]).toEqual([1, 1, false]);
    await dockerd.disconnect('one', 'web');
    expect(await networks()).toEqual(before);
  });

  test('gives everything back where a network cannot be made', async () => {
    const { control, dockerd, since } = await host('host1', version);
    await control.createTenant({ name: 'acme' });
    await control.createNetwork({ tenant: 'acme', name: 'web', subnets: [{ cidr: '10.10.0.0/16' }] });
    const other = {
      ...WEB,
      v4: [{ cidr: '10.11.0.0/16' }],
      v6: [],
      ipamOptions: {},
      options: { tenant: 'acme', network: 'web' },
    };
    await expect(dockerd.createNetwork(other)).rejects.toThrow(/acme\/web exists with 10\.10\.0\.0\/16/);
    expect(since().slice(-3)).toEqual(['CreateNetwork', 'ReleaseAddress', 'ReleasePool']);
    expect(await cluster.keys('pools/', 'bindings/')).toEqual([]);
  });

  test('looks on for a subnet where the host’s routes are in the way', async () => {
    const { dockerd } = await host('host1', version);
    await dockerd.createNetwork({ ...BACK, overlaps: 3 });
    expect(await cluster.keys('pools/')).toHaveLength(1);
  });

  test('goes back as far as it came where a step fails', async () => {
    let failing = '';
    const fateOf = (method: string) => (method === failing ? 'lost' : 'answered');
    const { control, dockerd, since } = await host('host1', version, fateOf);
    await dockerd.createNetwork(WEB);
    const released = ['ReleaseAddress', 'ReleaseAddress'];
    for (const [method, way] of [
      ['NetworkDriver.CreateEndpoint', released],
      ['NetworkDriver.Join', ['DeleteEndpoint', ...released]],
    ] as const) {
      since();
      failing = method;
      await expect(dockerd.run('one', ['web'])).rejects.toThrow(/the request has no body.*invalid-argument/);
      const calls = since();
      expect(calls.slice(calls.indexOf(method.split('.')[1] ?? '') + 1)).toEqual(way);
    }
    // the endpoint of the lost CreateEndpoint, which time ends
    expect(await control.listEndpoints({})).toHaveLength(1);
    failing = 'NetworkDriver.CreateNetwork';
    await expect(dockerd.createNetwork({ ...BACK, name: 'more' })).rejects.toThrow(/no body/);
    expect(await cluster.keys('bindings/', 'pools/')).toHaveLength(3);
  });
});

test('containers start side by side', async () => {
  const { control, dockerd } = await host('host1', 28);
  await dockerd.createNetwork(WEB);
  await Promise.all(Array.from({ length: 24 }, (_, i) => dockerd.run(`c${i}`, ['web'])));
  expect(dockerd.complaints).toEqual([]);
  const endpoints = await control.listEndpoints({});
  expect(new Set(endpoints.flatMap(({ addresses }) => addresses)).size).toBe(48);
});

test('a network that is removed while a container is on its way to it has it refused, without a call', async () => {
  const { dockerd, since } = await host('host1', 28);
  for (const wish of [WEB, BACK]) await dockerd.createNetwork(wish);
  await dockerd.run('one', ['back']);
  since();
  const [connected, removed] = await Promise.allSettled([dockerd.connect('one', 'web'), dockerd.removeNetwork('web')]);
  expect(removed.status).toBe('fulfilled');
  expect(connected).toMatchObject({ reason: { message: 'network web not found' } });
  expect(since().filter((call) => ['RequestAddress', 'CreateEndpoint', 'Join'].includes(call))).toEqual([]);
});

test('one network of two engines of different versions is one', async () => {
  const [old, young] = [await host('host1', 20), await host('host2', 29)];
  const [a, b] = await Promise.all([old.dockerd.createNetwork(WEB), young.dockerd.createNetwork(WEB)]);
  expect(a.v4[0]?.gateway).toBe(b.v4[0]?.gateway);
  await old.dockerd.run('one', ['web'], { ip: '10.10.0.50', mac: '02:11:22:33:44:55' });
  await expect(young.dockerd.run('two', ['web'], { ip: '10.10.0.50' })).rejects.toThrow(/10\.10\.0\.50.*address-taken/);
  await expect(young.dockerd.run('two', ['web'], { mac: '02:11:22:33:44:55' })).rejects.toThrow(/mac-taken/);
  await young.dockerd.run('two', ['web'], { ip6: 'fd00:10::77' });
  expect([...old.dockerd.complaints, ...young.dockerd.complaints]).toEqual([]);
});

test('from 28 on a network may be of IPv6 alone, and the way out one of each family', async () => {
  const { control, dockerd, since } = await host('host1', 28);
  await dockerd.createNetwork({ name: 'six', v4: [], v6: [{ cidr: '' }] });
  await dockerd.createNetwork({ name: 'four', v4: [{ cidr: '' }] });
  await dockerd.run('one', ['six', 'four']);
  expect(since().filter((call) => call === 'ProgramExternalConnectivity')).toHaveLength(2);
  const endpoints = await control.listEndpoints({});
  expect(endpoints.map(({ addresses }) => addresses.length)).toEqual([1, 1]);
  expect(dockerd.complaints).toEqual([]);
});

test('from 29 on a container of the same name has its address again at once', async () => {
  const { dockerd } = await host('host1', 29);
  await dockerd.createNetwork(WEB);
  const addressOf = async (name: string) => (await dockerd.run(name, ['web'])).endpoints[0]?.addresses[0]?.cidr;
  const [web, db] = [await addressOf('web'), await addressOf('db')];
  await dockerd.stop('web');
  await dockerd.stop('db');
  expect([await addressOf('db'), await addressOf('web')]).toEqual([db, web]);
});

test.each([20, 28, 29] as const)('dockerd %i is restarted, with and without live-restore', async (version) => {
  const { control, dockerd, since } = await host('host1', version);
  await dockerd.createNetwork(WEB);
  await dockerd.run('one', ['web']);
  const before = await control.listEndpoints({});
  since();
  await dockerd.restart({ liveRestore: true });
  expect(since()).not.toContain('Join');
  expect(await control.listEndpoints({})).toEqual(before);
  await dockerd.stop('one');
  // Leave alone must be enough from 29 on
  expect(since().includes('RevokeExternalConnectivity')).toBe(version < 29);
  expect(await control.listEndpoints({})).toEqual([]);
  await dockerd.run('two', ['web']);
  await dockerd.restart({ liveRestore: false });
  expect(await control.listEndpoints({})).toEqual([]);
  await dockerd.removeNetwork('web');
  expect(await left()).toEqual([]);
});
