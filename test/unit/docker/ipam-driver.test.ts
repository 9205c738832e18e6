import { afterEach, expect, test } from 'vitest';
import { WeftError } from '../../../src/model/errors.ts';
import { fakeControl } from './fake-control.ts';
import { startPlugin } from './plugin.ts';
import type { TestPlugin } from './plugin.ts';

let plugin: TestPlugin;
afterEach(() => plugin.close());

async function start(overrides: Parameters<typeof fakeControl>[0] = {}) {
  const fake = fakeControl(overrides);
  plugin = await startPlugin(fake.control);
  return fake.calls;
}
const ask = async (method: string, body?: unknown) => (await plugin.call(`IpamDriver.${method}`, body)).body;

test('wants neither MAC addresses nor a replay, and has two address spaces', async () => {
  await start();
  expect(await ask('GetCapabilities')).toEqual({ RequiresMACAddress: false, RequiresRequestReplay: false });
  expect(await ask('GetDefaultAddressSpaces')).toEqual({
    LocalDefaultAddressSpace: 'weft-local',
    GlobalDefaultAddressSpace: 'weft-global',
  });
});

test('asks for a pool with the names given as options', async () => {
  const calls = await start();
  const Options = { tenant: 'acme', network: 'web' };
  const body = { AddressSpace: 'weft-local', Pool: '10.99.0.0/24', SubPool: '10.99.0.128/25', Options, V6: false };
  expect(await ask('RequestPool', body)).toEqual({ PoolID: 'P1', Pool: '10.99.0.0/24', Data: {} });
  expect(calls[0]?.request).toEqual({
    engine: 'docker',
    addressSpace: 'weft-local',
    cidr: '10.99.0.0/24',
    range: '10.99.0.128/25',
    v6: false,
    tenant: 'acme',
    network: 'web',
  });
});

test('asks for any pool, of either family, where nothing is wished', async () => {
  const calls = await start();
  await ask('RequestPool', { AddressSpace: 'weft-local', Pool: '', SubPool: '', Options: null, V6: true });
  expect(calls[0]?.request).toMatchObject({ cidr: '', range: '', v6: true, tenant: '', network: '' });
});

test('refuses an option of pools that nobody knows', async () => {
  const calls = await start();
  const { Error: error } = await ask('RequestPool', { AddressSpace: 'weft-local', Options: { net: 'web' } });
  expect(error).toMatch(/--ipam-opt net: .*tenant, network/);
  expect(calls).toEqual([]);
});

test('has no pools for swarm, nor for a space of somebody else', async () => {
  const calls = await start();
  const swarm = await ask('RequestPool', { AddressSpace: 'weft-global', Pool: '10.99.0.0/24', Options: null });
  expect(swarm.Error).toMatch(/swarm.*not-supported.*without --scope swarm/);
  expect((await ask('RequestPool', { AddressSpace: 'LocalDefault', Pool: '' })).Error).toMatch(/"LocalDefault"/);
  expect(calls).toEqual([]);
});

test('tells gateways from other addresses', async () => {
  const calls = await start();
  const gateway = { RequestAddressType: 'com.docker.network.gateway' };
  expect(await ask('RequestAddress', { PoolID: 'P1', Address: '10.99.0.1', Options: gateway })).toEqual({
    Address: '10.99.0.1/24',
    Data: {},
  });
  await ask('RequestAddress', { PoolID: 'P1', Address: '', Options: null });
  await ask('RequestAddress', { PoolID: 'P1', Options: { 'com.docker.network.endpoint.name': 'db' } });
  expect(calls.map(({ request }) => request)).toEqual([
    { poolId: 'P1', address: '10.99.0.1', gateway: true },
    { poolId: 'P1', address: '', gateway: false },
    { poolId: 'P1', address: '', gateway: false, name: 'db' },
  ]);
});

test('gives addresses and pools back', async () => {
  const calls = await start();
  expect(await ask('ReleaseAddress', { PoolID: 'P1', Address: '10.99.0.2' })).toEqual({});
  expect(await ask('ReleasePool', { PoolID: 'P1' })).toEqual({});
  expect(calls).toEqual([
    { method: 'releaseAddress', request: { poolId: 'P1', address: '10.99.0.2' } },
    { method: 'releasePool', request: 'P1' },
  ]);
});

test('shows a refusal under both keys, with object, host, code and what to do', async () => {
  const refusal = new WeftError('address-taken', '10.99.0.2 is held by db', {
    object: 'acme/web',
    next: 'take another',
  });
  await start({ requestAddress: () => Promise.reject(refusal) });
  const answer = await plugin.call('IpamDriver.RequestAddress', { PoolID: 'P1', Address: '10.99.0.2' });
  const message = '10.99.0.2 is held by db (acme/web, host1; address-taken). Next: take another';
  expect(answer).toMatchObject({ status: 200, body: { Err: message, Error: message } });
});
