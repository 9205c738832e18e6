/** dockerd's own order of calls (as logged by a stub on 20.10), played against the plugin. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WeftError } from '../../../src/model/errors.ts';
import { fakeControl } from './fake-control.ts';
import type { Recorded } from './fake-control.ts';
import { startPlugin } from './plugin.ts';
import type { TestPlugin } from './plugin.ts';

const NetworkID = 'c'.repeat(64);
const GATEWAY = { RequestAddressType: 'com.docker.network.gateway' };

/** What dockerd does with a plugin: steps until the first error, then the way back. */
class FakeDockerd {
  readonly #plugin: TestPlugin;
  constructor(plugin: TestPlugin) {
    this.#plugin = plugin;
  }

  async #ask(method: string, body: object): Promise<Record<string, unknown>> {
    const { body: answer } = await this.#plugin.call(method, body);
    const error = method.startsWith('IpamDriver') ? answer.Error : answer.Err;
    if (typeof error === 'string' && error !== '') throw new Error(`remote: ${error}`);
    return answer;
  }

  async createNetwork(): Promise<void> {
    const { PoolID, Pool } = await this.#ask('IpamDriver.RequestPool', { AddressSpace: 'weft-local', Pool: '' });
    const gateway = await this.#ask('IpamDriver.RequestAddress', { PoolID, Address: '10.99.0.1', Options: GATEWAY });
    try {
      const IPv4Data = [{ AddressSpace: 'weft-local', Pool, Gateway: gateway.Address }];
      await this.#ask('NetworkDriver.CreateNetwork', { NetworkID, Options: {}, IPv4Data, IPv6Data: [] });
    } catch (error) {
      await this.#ask('IpamDriver.ReleaseAddress', { PoolID, Address: '10.99.0.1' });
      await this.#ask('IpamDriver.ReleasePool', { PoolID });
      throw error;
    }
  }

  async removeNetwork(): Promise<void> {
    await this.#ask('IpamDriver.ReleaseAddress', { PoolID: 'P1', Address: '10.99.0.1' });
    await this.#ask('IpamDriver.ReleasePool', { PoolID: 'P1' });
    await this.#ask('NetworkDriver.DeleteNetwork', { NetworkID });
  }

  async run(EndpointID: string, ports: object[]): Promise<void> {
    const key = { NetworkID, EndpointID };
    const Options = { 'com.docker.network.portmap': ports, 'com.docker.network.endpoint.exposedports': ports };
    const given = await this.#ask('IpamDriver.RequestAddress', { PoolID: 'P1', Address: '', Options: null });
    const undo: (() => Promise<unknown>)[] = [() => this.#release(String(given.Address))];
    try {
      const Interface = { Address: given.Address, AddressIPv6: '', MacAddress: '' };
      const created = await this.#ask('NetworkDriver.CreateEndpoint', { ...key, Interface, Options });
      undo.unshift(() => this.#ask('NetworkDriver.DeleteEndpoint', key));
      expect(created.Interface).not.toHaveProperty('Address');
      const joined = await this.#ask('NetworkDriver.Join', { ...key, SandboxKey: '/run/netns/x', Options });
      undo.unshift(() => this.#ask('NetworkDriver.Leave', key));
      // without a gateway dockerd would not ask, and ports would be ignored without a word
      if (joined.Gateway) await this.#ask('NetworkDriver.ProgramExternalConnectivity', { ...key, Options });
      for (let i = 0; i < 2; i++) await this.#ask('NetworkDriver.EndpointOperInfo', key);
    } catch (error) {
      for (const step of undo) await step();
      throw error;
    }
  }

  async stop(EndpointID: string): Promise<void> {
    const key = { NetworkID, EndpointID };
    await this.#ask('NetworkDriver.RevokeExternalConnectivity', key);
    await this.#ask('NetworkDriver.Leave', key);
    await this.#ask('NetworkDriver.DeleteEndpoint', key);
    await this.#release('10.99.0.2/24');
  }

  #release(cidr: string): Promise<unknown> {
    return this.#ask('IpamDriver.ReleaseAddress', { PoolID: 'P1', Address: cidr.split('/')[0] });
  }
}

let plugin: TestPlugin;
let dockerd: FakeDockerd;
let calls: Recorded[];

async function begin(overrides: Parameters<typeof fakeControl>[0] = {}): Promise<void> {
  const fake = fakeControl(overrides);
  calls = fake.calls;
  plugin = await startPlugin(fake.control);
  dockerd = new FakeDockerd(plugin);
}
const asked = () => calls.map(({ method }) => method);

beforeEach(() => begin());
afterEach(() => plugin.close());

test('a container from network create to network rm', async () => {
  await dockerd.createNetwork();
  await dockerd.run('d'.repeat(64), []);
  await dockerd.stop('d'.repeat(64));
  await dockerd.removeNetwork();
  expect(asked()).toEqual([
    ...['requestPool', 'requestAddress', 'bindNetwork'],
    ...['requestAddress', 'createEndpoint', 'joinEndpoint'],
    ...['deleteEndpoint', 'releaseAddress'],
    ...['releaseAddress', 'releasePool', 'unbindNetwork'],
  ]);
});

test('published ports fail the run, and nothing of it is left', async () => {
  const ports = [{ Proto: 6, Port: 80, HostPort: 8080, HostPortEnd: 8080 }];
  await expect(dockerd.run('d'.repeat(64), ports)).rejects.toThrow(/publishing ports is not built yet/);
  expect(asked()).toEqual(['requestAddress', 'createEndpoint', 'joinEndpoint', 'deleteEndpoint', 'releaseAddress']);
});

test('a network that cannot be bound gives its pool back', async () => {
  await plugin.close();
  await begin({ bindNetwork: () => Promise.reject(new WeftError('subnet-mismatch', 'acme/web has another subnet')) });
  await expect(dockerd.createNetwork()).rejects.toThrow(/another subnet/);
  expect(asked()).toEqual(['requestPool', 'requestAddress', 'bindNetwork', 'releaseAddress', 'releasePool']);
});

test('containers start side by side', async () => {
  const ids = Array.from({ length: 12 }, (_, i) => `${i}`.padStart(64, 'e'));
  await Promise.all(ids.map((id) => dockerd.run(id, [])));
  const joined = calls.filter(({ method }) => method === 'joinEndpoint');
  expect(joined.map(({ request }) => (request as { endpointId: string }).endpointId).sort()).toEqual(ids.sort());
});
