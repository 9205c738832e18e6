import { afterEach, describe, expect, test } from 'vitest';
import type { EngineControl } from '../../../src/control/engines/port.ts';
import { endpointView, fakeControl } from './fake-control.ts';
import type { Recorded } from './fake-control.ts';
import { startPlugin } from './plugin.ts';
import type { TestPlugin } from './plugin.ts';

const NETWORK = 'a'.repeat(64);
const ENDPOINT = 'b'.repeat(64);
const KEY = { NetworkID: NETWORK, EndpointID: ENDPOINT };
const IPV4 = { AddressSpace: 'weft-local', Pool: '10.99.0.0/24', Gateway: '10.99.0.1/24' };
const PORTS = [{ Proto: 6, IP: '', Port: 80, HostIP: '', HostPort: 8080, HostPortEnd: 8080 }];

let plugin: TestPlugin;
let calls: Recorded[];

async function start(overrides: Partial<EngineControl> = {}): Promise<void> {
  const fake = fakeControl(overrides);
  calls = fake.calls;
  plugin = await startPlugin(fake.control);
}
afterEach(() => plugin.close());

async function create(options: Record<string, unknown>, more: object = {}) {
  const body = { NetworkID: NETWORK, Options: options, IPv4Data: [IPV4], IPv6Data: null, ...more };
  return (await plugin.call('NetworkDriver.CreateNetwork', body)).body;
}

describe('networks', () => {
  test('are of local scope with global connectivity, and not for swarm', async () => {
    await start();
    expect((await plugin.call('NetworkDriver.GetCapabilities')).body).toEqual({
      Scope: 'local',
      ConnectivityScope: 'global',
      GwAllocChecker: false,
    });
    for (const method of ['AllocateNetwork', 'FreeNetwork']) {
      const { body } = await plugin.call(`NetworkDriver.${method}`, { NetworkID: NETWORK });
      expect(body.Err).toMatch(/swarm.*not-supported.*without --scope swarm/);
    }
  });

  test('are bound by the names, subnets and reserved addresses Docker has', async () => {
    await start();
    const generic = { tenant: 'acme', network: 'web', mtu: '1400', 'weft.engine': 'E1' };
    const IPv6Data = [{ AddressSpace: 'weft-local', Pool: 'fd00:99::/64', Gateway: 'fd00:99::1/64' }];
    const IPv4Data = [{ ...IPV4, AuxAddresses: { r1: '10.99.0.9/24' } }];
    const options = { 'com.docker.network.generic': generic, 'com.docker.network.enable_ipv6': true };
    expect(await create(options, { IPv4Data, IPv6Data, Unheard: 1 })).toEqual({});
    expect(calls).toEqual([
      {
        method: 'bindNetwork',
        request: {
          engine: 'docker',
          engineId: NETWORK,
          tenant: 'acme',
          network: 'web',
          internal: false,
          mtu: 1400,
          synced: 'E1',
          subnets: [
            { addressSpace: 'weft-local', cidr: '10.99.0.0/24', gateway: '10.99.0.1', reserved: ['10.99.0.9'] },
            { addressSpace: 'weft-local', cidr: 'fd00:99::/64', gateway: 'fd00:99::1', reserved: [] },
          ],
        },
      },
    ]);
  });

  test('need no options, and are internal by --internal alone', async () => {
    await start();
    expect(await create({ 'com.docker.network.generic': {} })).toEqual({});
    expect(await create({ 'com.docker.network.internal': true })).toEqual({});
    expect(calls.map(({ request }) => request)).toEqual([
      expect.objectContaining({ tenant: '', network: '', internal: false }),
      expect.objectContaining({ internal: true }),
    ]);
    expect(calls[0]?.request).not.toHaveProperty('mtu');
  });

  test("take the bridge driver's MTU option too, unless both differ", async () => {
    await start();
    const bridge = { 'com.docker.network.driver.mtu': '1300' };
    expect(await create({ 'com.docker.network.generic': bridge })).toEqual({});
    expect(calls[0]?.request).toMatchObject({ mtu: 1300 });
    const both = { ...bridge, mtu: '1400' };
    expect((await create({ 'com.docker.network.generic': both })).Err).toMatch(/mtu=1400 and .*mtu=1300 differ/);
    expect((await create({ 'com.docker.network.generic': { mtu: 'big' } })).Err).toMatch(/mtu=big is not a number/);
    expect(calls).toHaveLength(1);
  });

  test('take static routes, refusing what is none', async () => {
    await start();
    const withRoutes = (routes: string) => create({ 'com.docker.network.generic': { routes } });
    expect(await withRoutes('10.9.0.0/16=10.99.0.254, fd09::/48=fd00:99::fe')).toEqual({});
    expect(calls[0]?.request).toMatchObject({
      routes: [
        { destination: '10.9.0.0/16', via: '10.99.0.254' },
        { destination: 'fd09::/48', via: 'fd00:99::fe' },
      ],
    });
    for (const broken of ['10.9.0.0/16', '=10.99.0.1', '10.9.0.0/16=', 'a=b=c']) {
      expect((await withRoutes(broken)).Err).toMatch(/-o routes: ".*" is not SUBNET=ADDRESS/);
    }
  });

  test('refuse an option nobody knows, naming it and those there are', async () => {
    await start();
    const { Err, Error: error } = await create({ 'com.docker.network.generic': { tennant: 'acme' } });
    expect(Err).toMatch(/-o tennant: .*\(host1; invalid-argument\).*tenant, network, mtu, routes/);
    expect(error).toBe(Err);
    expect(calls).toEqual([]);
  });

  test('go by their id', async () => {
    await start();
    expect((await plugin.call('NetworkDriver.DeleteNetwork', { NetworkID: NETWORK })).body).toEqual({});
    expect(calls).toEqual([{ method: 'unbindNetwork', request: { engine: 'docker', engineId: NETWORK } }]);
    const { body } = await plugin.call('NetworkDriver.DeleteNetwork', { NetworkID: '../x' });
    expect(body.Err).toMatch(/NetworkID: is not an id of Docker/);
  });
});

describe('endpoints', () => {
  async function createEndpoint(given: object, options: object | null = {}) {
    const Interface = { Address: '10.99.0.2/24', AddressIPv6: '', MacAddress: '', ...given };
    return (await plugin.call('NetworkDriver.CreateEndpoint', { ...KEY, Interface, Options: options })).body;
  }

  test('are told only the MAC address, and only when none was asked', async () => {
    await start();
    expect(await createEndpoint({}, null)).toEqual({ Interface: { MacAddress: '02:11:22:33:44:55' } });
    expect(await createEndpoint({ AddressIPv6: 'fd00:99::2/64', MacAddress: '02:11:22:33:44:66' })).toEqual({
      Interface: {},
    });
    expect(await createEndpoint({}, { 'com.docker.network.endpoint.macaddress': 'AhEiM0RV' })).toEqual({
      Interface: {},
    });
    expect(calls.map(({ request }) => request)).toEqual([
      {
        engine: 'docker',
        engineId: NETWORK,
        endpointId: ENDPOINT,
        addresses: ['10.99.0.2/24'],
        mac: '',
        labels: {},
        container: null,
      },
      expect.objectContaining({ addresses: ['10.99.0.2/24', 'fd00:99::2/64'], mac: '02:11:22:33:44:66' }),
      expect.objectContaining({ mac: '02:11:22:33:44:55' }),
    ]);
  });

  test('take labels from driver options, and ports of other networks in their stride', async () => {
    await start();
    const options = {
      'weft.label.app': 'db',
      'weft.label.': 'nameless',
      other: 'x',
      'com.docker.network.portmap': PORTS,
      'com.docker.network.endpoint.exposedports': [{ Proto: 6, Port: 80 }],
    };
    expect(await createEndpoint({}, options)).not.toHaveProperty('Err');
    expect(calls[0]?.request).toMatchObject({ labels: { app: 'db' } });
  });

  test('join by interface, gateways and no bridge of Docker', async () => {
    const routes = [{ destination: '10.9.0.0/16', via: '10.99.0.254' }];
    const joined = {
      interfaceName: 'wc0123456789a',
      gateway4: '10.99.0.1',
      gateway6: '',
      routes,
      links: ['10.98.0.0/24'],
      endpoint: endpointView,
    };
    await start({ joinEndpoint: () => Promise.resolve(joined) });
    const sandbox = '/var/run/docker/netns/0123456789ab';
    const { body } = await plugin.call('NetworkDriver.Join', { ...KEY, SandboxKey: sandbox, Options: null });
    expect(body).toEqual({
      InterfaceName: { SrcName: 'wc0123456789a', DstPrefix: 'eth' },
      Gateway: '10.99.0.1',
      GatewayIPv6: '',
      StaticRoutes: [
        { Destination: '10.9.0.0/16', RouteType: 0, NextHop: '10.99.0.254' },
        { Destination: '10.98.0.0/24', RouteType: 1 },
      ],
      DisableGatewayService: true,
    });
    expect(calls[0]?.request).toEqual({ engine: 'docker', engineId: NETWORK, endpointId: ENDPOINT, sandbox });
  });

  test('publish ports where they are the way in, as a whole, and end them with it or with the endpoint', async () => {
    await start();
    const programWith = async (options: object | null) =>
      (await plugin.call('NetworkDriver.ProgramExternalConnectivity', { ...KEY, Options: options })).body;
    const key = { engine: 'docker', engineId: NETWORK, endpointId: ENDPOINT };
    const map = [
      { Proto: 6, IP: '', Port: 80, HostIP: '', HostPort: 8080, HostPortEnd: 8090 },
      { Proto: 17, Port: 53, HostIP: '192.0.2.1', HostPort: 53 },
      { Proto: 132, Port: 7, HostPort: 0, HostPortEnd: 0 },
    ];
    expect(await programWith({ 'com.docker.network.portmap': map })).toEqual({});
    const ports = [
      { protocol: 'tcp', address: '', first: 8080, last: 8090, port: 80 },
      { protocol: 'udp', address: '192.0.2.1', first: 53, last: 53, port: 53 },
      { protocol: 'sctp', address: '', first: 0, last: 0, port: 7 },
    ];
    expect(calls).toEqual([{ method: 'publishPorts', request: { ...key, ports } }]);
    for (const none of [null, {}, { 'com.docker.network.portmap': [] }, { 'com.docker.network.portmap': null }]) {
      expect(await programWith(none)).toEqual({});
    }
    const foreign = [{ Proto: 1, Port: 80, HostPort: 80 }];
    expect((await programWith({ 'com.docker.network.portmap': foreign })).Err).toMatch(/protocol 1.*ports-unsupported/);
    for (const method of ['RevokeExternalConnectivity', 'Leave']) {
      expect((await plugin.call(`NetworkDriver.${method}`, KEY)).body).toEqual({});
    }
    expect(calls.slice(1)).toEqual(Array(6).fill({ method: 'unpublishPorts', request: key }));
  });

  test('are looked at without a question to the cluster', async () => {
    await start();
    expect((await plugin.call('NetworkDriver.EndpointOperInfo', KEY)).body).toEqual({ Value: {} });
    expect((await plugin.call('NetworkDriver.EndpointOperInfo', {})).body).toEqual({ Value: {} });
    expect((await plugin.call('NetworkDriver.DiscoverNew', { DiscoveryType: 1 })).body).toEqual({});
    expect((await plugin.call('NetworkDriver.DiscoverDelete', { DiscoveryType: 1 })).body).toEqual({});
    expect(calls).toEqual([]);
    expect((await plugin.call('NetworkDriver.DeleteEndpoint', KEY)).body).toEqual({});
    expect(calls).toEqual([
      { method: 'deleteEndpoint', request: { engine: 'docker', engineId: NETWORK, endpointId: ENDPOINT } },
    ]);
  });
});
