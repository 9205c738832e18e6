import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect } from '../../../src/api/client.ts';
import type { WeftClient } from '../../../src/api/client.ts';
import { startApiServer } from '../../../src/api/server.ts';
import { WeftError } from '../../../src/model/errors.ts';
import { endpoint, fakeControl, network, node, status, tenant } from '../../support/fake-control.ts';
import { until } from '../../support/until.ts';

const log = pino({ level: 'silent' });

let folder: string;
let socketPath: string;
let control: ReturnType<typeof fakeControl>;
let server: { close(): Promise<void> };
let client: WeftClient;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weft-api-'));
  socketPath = join(folder, 'weft.sock');
  control = fakeControl();
  server = await startApiServer({ socketPath, control, nodeName: 'host1', log });
  client = connect({ socketPath });
});

afterEach(async () => {
  client.close();
  await server.close();
  rmSync(folder, { recursive: true });
});

describe('weft.v1', () => {
  it('carries every field of every answer', async () => {
    expect(await client.call('GetStatus', {})).toEqual(status);
    expect(await client.call('CreateTenant', { name: 'acme' })).toEqual(tenant);
    expect(await client.call('ListTenants', {})).toEqual({ tenants: [tenant], nextPageToken: '' });
    expect(await client.call('GetNetwork', { ref: 'acme/web' })).toEqual(network);
    expect(await client.call('ListNetworks', {})).toEqual({ networks: [network], nextPageToken: '' });
    expect(await client.call('GetEndpoint', { ref: 'acme/web/db' })).toEqual(endpoint);
    expect(await client.call('ListEndpoints', {})).toEqual({ endpoints: [endpoint], nextPageToken: '' });
    expect(await client.call('ListNodes', {})).toEqual({ nodes: [node], nextPageToken: '' });
    expect(await client.call('GetTenant', { ref: 'acme' })).toEqual(tenant);
    const subnets = [{ cidr: 'fd00:1::/64' }];
    expect(await client.call('CreateNetwork', { tenant: 'acme', name: 'web', subnets })).toEqual(network);
    expect(await client.call('AttachEndpoint', { network: 'acme/web', netns: '/x' })).toEqual(endpoint);
    for (const method of ['DeleteTenant', 'DeleteNetwork', 'DetachEndpoint'] as const) {
      expect(await client.call(method, { ref: 'x' })).toEqual({});
    }
    const bare = { ...endpoint, engine: { ...endpoint.engine, container: null }, labels: {}, drops: {} };
    control.getEndpoint.mockResolvedValue(bare);
    expect(await client.call('GetEndpoint', { ref: 'x' })).toEqual(bare);
  });

  it('keeps the order of the keys, with what is empty or zero in its place', async () => {
    expect(JSON.stringify(await client.call('GetStatus', {}))).toBe(JSON.stringify(status));
    expect(JSON.stringify(await client.call('ListNetworks', {}))).toBe(
      JSON.stringify({ networks: [network], nextPageToken: '' }),
    );
    expect(JSON.stringify(await client.call('GetEndpoint', { ref: 'x' }))).toBe(JSON.stringify(endpoint));
    expect(JSON.stringify(await client.call('ListNodes', {}))).toBe(
      JSON.stringify({ nodes: [node], nextPageToken: '' }),
    );
    const fresh = { ...status, repairs: { total: 0, byKind: {} }, conditions: [] };
    control.status.mockResolvedValue(fresh);
    expect(JSON.stringify(await client.call('GetStatus', {}))).toBe(JSON.stringify(fresh));
  });

  it('carries every field of every question', async () => {
    const subnets = [{ cidr: '10.0.0.0/8', gateway: '10.0.0.9', reserved: ['10.1.0.0/16'] }];
    await client.call('CreateNetwork', { tenant: 'acme', name: 'web', subnets, internal: true, mtu: 1400 });
    expect(control.createNetwork.mock.calls[0]?.[0]).toEqual({
      tenant: 'acme',
      name: 'web',
      subnets,
      internal: true,
      mtu: 1400,
      labels: {},
    });
    await client.call('CreateNetwork', { tenant: 'acme', name: 'web', subnets: [] });
    expect(control.createNetwork.mock.calls[1]?.[0]).not.toHaveProperty('mtu');
    const attach = {
      network: 'acme/web',
      netns: '/run/netns/x',
      addresses: ['10.0.0.7'],
      name: 'db',
      labels: { a: 'b' },
      publish: ['8080:80/tcp'],
    };
    await client.call('AttachEndpoint', attach);
    expect(control.attach.mock.calls[0]?.[0]).toEqual(attach);
    await client.call('ListEndpoints', { tenant: 'acme', node: 'host2' });
    expect(control.listEndpoints.mock.calls[0]?.[0]).toMatchObject({ tenant: 'acme', network: '', node: 'host2' });
    await client.call('DetachEndpoint', { ref: 'acme/web/db' });
    expect(control.detach.mock.calls[0]?.[0]).toBe('acme/web/db');
  });

  it('keeps an error whole', async () => {
    control.getNetwork.mockRejectedValue(
      new WeftError('network-in-use', 'it has endpoints ü', {
        object: 'acme/web',
        host: 'host9',
        next: 'do this',
        cause: new Error('why'),
      }),
    );
    await expect(client.call('GetNetwork', { ref: 'acme/web' })).rejects.toMatchObject({
      code: 'network-in-use',
      message: 'it has endpoints ü',
      object: 'acme/web',
      host: 'host9',
      next: 'do this',
      cause: 'why',
    });
    control.getNetwork.mockRejectedValue(new TypeError('a fault'));
    await expect(client.call('GetNetwork', { ref: 'acme/web' })).rejects.toMatchObject({
      code: 'internal',
      host: 'host1',
    });
  });

  it('answers with a text that was cut in the middle of a character', async () => {
    control.getNetwork.mockRejectedValue(
      new WeftError('network-not-found', 'no network "\ud83d"', { object: '\ud83d' }),
    );
    await expect(client.call('GetNetwork', { ref: 'acme/web' })).rejects.toMatchObject({ code: 'network-not-found' });
  });

  it('names the field that is wrong, and never asks control', async () => {
    const subnets = [{ cidr: '10.0.0.0/8' }, { cidr: '' }];
    const failures: [() => Promise<unknown>, string][] = [
      [() => client.call('CreateNetwork', { tenant: 'a', name: 'b', subnets }), 'subnets[1].cidr: is missing'],
      [() => client.call('GetTenant', { ref: '' }), 'ref: is missing'],
      [() => client.call('AttachEndpoint', { network: 'a/b', netns: '' }), 'netns: is missing'],
      [() => client.call('CreateTenant', { name: 'x'.repeat(10_000) }), 'name: '],
      [
        () => client.call('CreateNetwork', { tenant: 'a', name: 'b', subnets: Array(17).fill(subnets[0]) as never }),
        'subnets: ',
      ],
      [
        () =>
          client.call('CreateNetwork', {
            tenant: 'a',
            name: 'b',
            subnets: [{ cidr: '10.0.0.0/8', reserved: Array<string>(2_000).fill('10.0.0.9') }],
          }),
        'subnets[0].reserved: ',
      ],
      [
        () => client.call('AttachEndpoint', { network: 'a/b', netns: '/x', addresses: Array<string>(9).fill('::1') }),
        'addresses',
      ],
      [
        () => client.call('AttachEndpoint', { network: 'a/b', netns: '/x', labels: { k: 'v'.repeat(2_000) } }),
        'labels.k: ',
      ],
      [() => client.call('CreateTenant', { name: 'x'.repeat(5 << 20) }), 'larger than max'],
    ];
    for (const [failure, beginning] of failures) {
      await expect(failure()).rejects.toMatchObject({
        code: 'invalid-argument',
        message: expect.stringContaining(beginning) as string,
      });
    }
    for (const asked of [control.createTenant, control.createNetwork, control.getTenant, control.attach]) {
      expect(asked).not.toHaveBeenCalled();
    }
  });

  it('tells control that the caller went away', async () => {
    let seen: AbortSignal | undefined;
    control.attach.mockImplementation((_request, context) => {
      seen = context?.signal;
      return new Promise(() => undefined);
    });
    const stop = new AbortController();
    const call = client.call('AttachEndpoint', { network: 'a/b', netns: '/x' }, { signal: stop.signal });
    call.catch(() => undefined);
    await until(() => seen !== undefined, { what: 'control was asked' });
    stop.abort();
    await until(() => seen?.aborted === true, { what: 'control was told' });
    await expect(call).rejects.toBe(stop.signal.reason);
    await expect(client.call('GetStatus', {}, { signal: stop.signal })).rejects.toBe(stop.signal.reason);
  });

  it('tells control how long the caller can wait: an engine’s time at least, and never for ever', async () => {
    const patience: number[] = [];
    control.attach.mockImplementation((_request, context) => {
      patience.push(context?.patience ?? NaN);
      return Promise.reject(new WeftError('not-ready', 'later'));
    });
    for (const deadline of [2_000, 20_000, 3_600_000]) {
      const call = client.call('AttachEndpoint', { network: 'a/b', netns: '/x' }, { deadline });
      await expect(call).rejects.toMatchObject({ code: 'not-ready' });
    }
    const [short = 0, middle = 0, long = 0] = patience;
    expect([short, long]).toEqual([4_000, 60_000]);
    expect(middle).toBeGreaterThan(4_000);
    expect(middle).toBeLessThan(20_000);
  });

  it('is root’s alone, one at a time, and replaces a dead socket', async () => {
    expect(statSync(socketPath).mode & 0o777).toBe(0o600);
    await expect(startApiServer({ socketPath, control, nodeName: 'x', log })).rejects.toMatchObject({
      code: 'already-running',
    });
    const stale = await staleSocket(folder);
    const second = await startApiServer({ socketPath: stale, control, nodeName: 'x', log });
    expect(statSync(stale).isSocket()).toBe(true);
    await second.close();
    expect(statSync(stale, { throwIfNoEntry: false })).toBeUndefined();
  });

  it('removes nobody’s file', async () => {
    const file = join(folder, 'notes.txt');
    writeFileSync(file, 'mine');
    await expect(startApiServer({ socketPath: file, control, nodeName: 'x', log })).rejects.toMatchObject({
      code: 'configuration-invalid',
      object: file,
    });
    expect(readFileSync(file, 'utf8')).toBe('mine');
  });

  it('that is away says so', async () => {
    const nobody = connect({ socketPath: join(folder, 'nobody.sock'), deadline: 2_000 });
    await expect(nobody.call('GetStatus', {})).rejects.toMatchObject({
      code: 'daemon-away',
      cause: `connect ENOENT ${join(folder, 'nobody.sock')}`,
    });
    nobody.close();
  });

  it('that does not answer in time is not ready', async () => {
    control.status.mockReturnValue(new Promise(() => undefined));
    const hasty = connect({ socketPath, deadline: 200 });
    await expect(hasty.call('GetStatus', {})).rejects.toMatchObject({ code: 'not-ready' });
    hasty.close();
  });

  it('outlives a thousand bodies of garbage', async () => {
    const session = connectHttp2('http://localhost', { createConnection: () => connectSocket(socketPath) });
    const send = (i: number) =>
      new Promise<void>((resolve) => {
        const length = 1 + ((i * 7919) % 300);
        const frame = Buffer.concat([Buffer.alloc(5), garbage(i, length)]);
        frame.writeUInt8(0, 0);
        frame.writeUInt32BE(i % 3 === 0 ? length * 2 : length, 1);
        const stream = session.request({
          ':method': 'POST',
          ':path': '/weft.v1.Weft/CreateNetwork',
          'content-type': 'application/grpc',
          te: 'trailers',
        });
        stream.on('close', resolve).on('error', () => undefined);
        stream.resume();
        stream.end(frame);
      });
    for (let i = 0; i < 1_000; i += 50) await Promise.all(Array.from({ length: 50 }, (_, n) => send(i + n)));
    session.destroy();
    expect(await client.call('GetStatus', {})).toEqual(status);
  });
});

/** What a killed daemon leaves: a socket that nobody listens on. */
async function staleSocket(parent: string): Promise<string> {
  const stale = join(parent, 'stale.sock');
  const listener = createServer();
  await new Promise<void>((resolve) => listener.listen(join(parent, 'first.sock'), resolve));
  renameSync(join(parent, 'first.sock'), stale);
  await new Promise((resolve) => listener.close(resolve));
  return stale;
}

function connectSocket(path: string) {
  return createConnection(path);
}

/** The same bytes in every run, so that a failure can be met again. */
function garbage(seed: number, length: number): Buffer {
  return createHash('shake128', { outputLength: length }).update(String(seed)).digest();
}
