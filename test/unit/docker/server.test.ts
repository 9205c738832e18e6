import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import pino from 'pino';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { EngineControl } from '../../../src/control/engines/port.ts';
import type { CallContext } from '../../../src/control/port.ts';
import { WeftError } from '../../../src/model/errors.ts';
import { startDockerPlugin } from '../../../src/engines/docker/server.ts';
import { until } from '../../support/until.ts';
import { fakeControl } from './fake-control.ts';
import { startPlugin } from './plugin.ts';
import type { TestPlugin } from './plugin.ts';

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(overrides: Partial<EngineControl> = {}, options: { deadline?: number } = {}) {
  const { control, calls } = fakeControl(overrides);
  const plugin: TestPlugin = await startPlugin(control, options);
  closers.push(() => plugin.close());
  return { plugin, calls };
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}

const BODIED = [
  ...['CreateNetwork', 'DeleteNetwork', 'CreateEndpoint', 'Join', 'Leave', 'DeleteEndpoint'].map(
    (name) => `NetworkDriver.${name}`,
  ),
  ...['ProgramExternalConnectivity', 'RevokeExternalConnectivity'].map((name) => `NetworkDriver.${name}`),
  ...['RequestPool', 'ReleasePool', 'RequestAddress', 'ReleaseAddress'].map((name) => `IpamDriver.${name}`),
];

describe('the transport', () => {
  test('activates both drivers, and closes each connection with its answer', async () => {
    const { plugin } = await start();
    const { status, headers, body } = await plugin.call('Plugin.Activate');
    expect({ status, body }).toEqual({ status: 200, body: { Implements: ['NetworkDriver', 'IpamDriver'] } });
    expect(headers.connection).toBe('close');
    expect(headers['content-type']).toBe('application/vnd.docker.plugins.v1.1+json');
  });

  test.each(BODIED)('%s takes no empty or broken body for a request', async (method) => {
    const { plugin, calls } = await start();
    for (const body of [undefined, '   ', '{"NetworkID":', '[]', 'null', '{}', '{"NetworkID":7,"PoolID":[]}']) {
      const answer = await plugin.call(method, body);
      expect(answer.body, `answer to ${body}`).toEqual({
        Err: expect.stringContaining('invalid-argument') as string,
        Error: answer.body.Err,
      });
    }
    expect(calls).toEqual([]);
  });

  test('refuses a body beyond its limit, and serves on', async () => {
    const { plugin, calls } = await start();
    const huge = { NetworkID: 'a'.repeat(64), Options: { filler: 'x'.repeat(2 << 20) } };
    // the server may answer and close while the body is still on its way
    const answer = await plugin.call('NetworkDriver.CreateNetwork', huge).catch((error: unknown) => error);
    if (!(answer instanceof Error)) expect(JSON.stringify(answer)).toContain('too large');
    expect(calls).toEqual([]);
    expect((await plugin.call('Plugin.Activate')).status).toBe(200);
  });

  test('refuses methods it does not have', async () => {
    const { plugin } = await start();
    const { status, body } = await plugin.call('VolumeDriver.Create', {});
    expect(status).toBe(404);
    expect(body.Err).toMatch(/no method VolumeDriver.Create/);
  });

  test.each([
    ['a URL that cannot be decoded', 'POST /%zz HTTP/1.1\r\nHost:\r\nContent-Length: 0\r\n\r\n'],
    ['no HTTP', 'HELLO\r\n\r\n'],
    ['a header without end', `POST /Plugin.Activate HTTP/1.1\r\nX: ${'x'.repeat(40_000)}`],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['another verb', 'DELETE /NetworkDriver.Join HTTP/1.1\r\nHost:\r\n\r\n'],
  ])('answers %s with an error under both keys, and closes', async (_what, request) => {
    const { plugin, calls } = await start();
    const socket = connect(plugin.socketPath);
    socket.write(request);
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await once(socket, 'close');
    const body = JSON.parse(text.slice(text.indexOf('\r\n\r\n'))) as Record<string, unknown>;
    expect(body).toEqual({ Err: expect.stringContaining('Next:') as string, Error: body.Err });
    expect(text).toMatch(/^HTTP\/1\.1 [45]\d\d /);
    expect(text.toLowerCase()).toContain('connection: close');
    expect(calls).toEqual([]);
  });

  test('takes a body whatever its type and however it is sent', async () => {
    const { plugin, calls } = await start();
    const socket = connect(plugin.socketPath);
    const body = '{"PoolID":"P1","Address":null}';
    const head = ['POST /IpamDriver.RequestAddress HTTP/1.1', 'Host: ', 'Transfer-Encoding: chunked'];
    socket.write([...head, 'Content-Type: text/x-odd', '', body.length.toString(16), body, '0', '', ''].join('\r\n'));
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await once(socket, 'close');
    expect(text).toContain('{"Address":"10.99.0.2/24","Data":{}}');
    expect(calls).toHaveLength(1);
  });
});

describe('a call', () => {
  test('that takes too long is answered at the deadline, and its signal fires', async () => {
    let seen: AbortSignal | undefined;
    const hang = (_request: unknown, context?: CallContext) => {
      seen = context?.signal;
      return new Promise<never>(() => undefined);
    };
    const { plugin } = await start({ releasePool: hang }, { deadline: 50 });
    const { body } = await plugin.call('IpamDriver.ReleasePool', { PoolID: 'P1' });
    expect(body.Err).toMatch(/IpamDriver.ReleasePool did not finish within 50 ms.*not-ready/);
    expect(seen?.aborted).toBe(true);
  });

  test('has four seconds, where nobody says otherwise, and a little more for the last word', async () => {
    const timers = vi.spyOn(globalThis, 'setTimeout');
    const { plugin, calls } = await start({ releasePool: () => new Promise(() => undefined) });
    const answer = plugin.call('IpamDriver.ReleasePool', { PoolID: 'P1' });
    await until(() => calls.length > 0, { what: 'the call' });
    const timer = timers.mock.calls.find(([, delay]) => delay === 4_250);
    timers.mockRestore();
    timer?.[0]();
    expect((await answer).body.Err).toContain('IpamDriver.ReleasePool did not finish within 4000 ms');
  });

  test('bears ids of every length that an engine gives them', async () => {
    const { plugin, calls } = await start();
    for (const length of [1, 12, 25, 64]) {
      const key = { NetworkID: 'n'.repeat(length), EndpointID: 'e'.repeat(length) };
      expect((await plugin.call('NetworkDriver.DeleteEndpoint', key)).body).toEqual({});
      const request = { engine: 'docker', engineId: key.NetworkID, endpointId: key.EndpointID };
      expect(calls.pop()).toEqual({ method: 'deleteEndpoint', request });
    }
    const long = { NetworkID: 'n'.repeat(65), EndpointID: 'e' };
    expect((await plugin.call('NetworkDriver.DeleteEndpoint', long)).body.Err).toContain('invalid-argument');
  });

  test('whose use case gives up at the same deadline is answered with what that waited for', async () => {
    const late = () =>
      new Promise<never>((_resolve, reject) => {
        setTimeout(() => reject(new WeftError('store-away', 'etcd at 192.0.2.1 did not answer')), 60);
      });
    const { plugin } = await start({ releasePool: late }, { deadline: 50 });
    const { body } = await plugin.call('IpamDriver.ReleasePool', { PoolID: 'P1' });
    expect(body.Err).toMatch(/etcd at 192.0.2.1 did not answer.*store-away/);
  });

  test('in flight is answered when the daemon ends', async () => {
    const entered = deferred();
    const hang = () => {
      entered.resolve();
      return new Promise<never>(() => undefined);
    };
    const { plugin } = await start({ releasePool: hang });
    const answer = plugin.call('IpamDriver.ReleasePool', { PoolID: 'P1' });
    await entered.promise;
    plugin.abort();
    expect((await answer).body.Err).toMatch(/weftd is ending/);
  });

  test('does not wait for others', async () => {
    const gate = deferred();
    const { plugin, calls } = await start({ releasePool: () => gate.promise });
    const slow = Array.from({ length: 20 }, (_, i) => plugin.call('IpamDriver.ReleasePool', { PoolID: `P${i}` }));
    expect((await plugin.call('IpamDriver.RequestAddress', { PoolID: 'P' })).body.Address).toBe('10.99.0.2/24');
    gate.resolve();
    expect((await Promise.all(slow)).map(({ body }) => body)).toEqual(slow.map(() => ({})));
    expect(calls).toHaveLength(21);
  });

  test('that meets a fault of ours says so without a stack', async () => {
    const { plugin } = await start({ unbindNetwork: () => Promise.reject(new TypeError('x is undefined')) });
    const { body } = await plugin.call('NetworkDriver.DeleteNetwork', { NetworkID: 'a' });
    expect(body.Err).toBe('x is undefined (host1; internal). Next: report it with the log of weftd');
  });
});

describe('the socket', () => {
  function place(): string {
    const directory = mkdtempSync(join(tmpdir(), 'weft-docker-'));
    closers.push(() => rmSync(directory, { recursive: true }));
    return join(directory, 'weft.sock');
  }
  const serve = (socketPath: string) =>
    startDockerPlugin({
      socketPath,
      control: fakeControl().control,
      nodeName: 'host1',
      log: pino({ level: 'silent' }),
      signal: new AbortController().signal,
    });

  test('is for root alone, and gone with the daemon', async () => {
    const path = place();
    const plugin = await serve(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await plugin.close();
    expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined();
  });

  test('of a dead daemon is replaced', async () => {
    const path = place();
    const leave = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', leave]);
    expect(statSync(path).isSocket()).toBe(true);
    const plugin = await serve(path);
    await plugin.close();
  });

  test('of a live daemon is left alone', async () => {
    const path = place();
    const other = createServer().listen(path);
    await once(other, 'listening');
    closers.push(() => void other.close());
    await expect(serve(path)).rejects.toMatchObject({ code: 'already-running' });
    expect(statSync(path).isSocket()).toBe(true);
  });
});
