/** Watches, pages, and what clients of other makes rely on: reflection, health, standard error details. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials, loadPackageDefinition } from '@grpc/grpc-js';
import type { Client, ServiceClientConstructor, ServiceError } from '@grpc/grpc-js';
import fc from 'fast-check';
import { service as healthService } from 'grpc-health-check';
import pino from 'pino';
import protobuf from 'protobufjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect } from '../../../src/api/client.ts';
import type { WeftClient } from '../../../src/api/client.ts';
import { page } from '../../../src/api/pages.ts';
import { startApiServer } from '../../../src/api/server.ts';
import type { WatchEvent } from '../../../src/control/port.ts';
import { WeftError } from '../../../src/model/errors.ts';
import { endpoint, fakeControl, network } from '../../support/fake-control.ts';
import { until } from '../../support/until.ts';

let folder: string;
let socketPath: string;
let control: ReturnType<typeof fakeControl>;
let server: { close(): Promise<void> };
let client: WeftClient;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weft-streams-'));
  socketPath = join(folder, 'weft.sock');
  control = fakeControl();
  server = await startApiServer({ socketPath, control, nodeName: 'host1', log: pino({ level: 'silent' }) });
  client = connect({ socketPath });
});
afterEach(async () => {
  client.close();
  await server.close();
  rmSync(folder, { recursive: true });
});

describe('Watch', () => {
  const all = { kinds: [], labels: [] };

  it('carries every event with its one object', async () => {
    const events: WatchEvent[] = [];
    for await (const event of client.stream('Watch', all, new AbortController().signal)) events.push(event);
    expect(events).toEqual([
      { type: 'added', kind: 'network', revision: 7, at: expect.any(String) as string, network },
      { type: 'synced', kind: '', revision: 7, at: expect.any(String) as string },
      { type: 'changed', kind: 'endpoint', revision: 7, at: expect.any(String) as string, endpoint },
    ]);
  });

  /** Goes on until its signal; counts what was taken from it. */
  function endless(): { taken: number; ended: boolean } {
    const seen = { taken: 0, ended: false };
    control.watch.mockImplementation(async function* (_request, signal) {
      for (; !signal.aborted; seen.taken++) {
        yield { type: 'added', kind: 'network', revision: seen.taken, at: '', network };
        if (seen.taken % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      seen.ended = true;
    });
    return seen;
  }

  it('ends at the daemon when its reader leaves', async () => {
    const seen = endless();
    for await (const event of client.stream('Watch', all, new AbortController().signal)) {
      if (event.revision >= 10) break;
    }
    await until(() => seen.ended, { what: 'the watch to end' });
  });

  it('does not run ahead of a reader that does not read', async () => {
    const seen = endless();
    const reader = client.stream('Watch', all, new AbortController().signal)[Symbol.asyncIterator]();
    await reader.next();
    let last = -1;
    await until(() => last === (last = seen.taken), { what: 'the daemon to stop taking', every: 200 });
    expect(seen.taken).toBeLessThan(5_000);
    await reader.return?.();
  });

  it('ends when the daemon stops, and says so', async () => {
    endless();
    const reading = (async () => {
      for await (const event of client.stream('Watch', all, new AbortController().signal)) expect(event).toBeDefined();
    })();
    await until(() => control.watch.mock.calls.length > 0, { what: 'the watch' });
    await server.close();
    await expect(reading).resolves.toBeUndefined();
  });

  it('refuses what it does not know by the field', async () => {
    const reader = client.stream('Watch', { ...all, kinds: [''] }, new AbortController().signal);
    await expect(reader[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringMatching(/^kinds\[0\]: /) as string,
    });
  });
});

describe('pages', () => {
  const object = (name: string) => ({ id: `id-${name}`, name, tenant: 'acme' });

  it('show each object once, in whatever sizes they are read', () => {
    const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 3 }), { maxLength: 30 });
    fc.assert(
      fc.property(names, fc.integer({ min: 1, max: 7 }), (given, pageSize) => {
        const objects = given.sort().map(object);
        const read: unknown[] = [];
        let pageToken = '';
        do {
          const { items, nextPageToken } = page(objects, { pageSize, pageToken });
          expect(items.length).toBeLessThanOrEqual(pageSize);
          read.push(...items);
          pageToken = nextPageToken;
        } while (pageToken !== '');
        expect(read).toEqual(objects);
      }),
    );
  });

  it('go on behind an object that is gone meanwhile', () => {
    const { nextPageToken } = page(['a', 'b', 'c', 'd'].map(object), { pageSize: 2 });
    expect(page(['a', 'c', 'd'].map(object), { pageSize: 2, pageToken: nextPageToken }).items).toEqual(
      ['c', 'd'].map(object),
    );
  });

  it.each(['x', Buffer.from('[1]').toString('base64url'), '%%'])('refuse the token %s', (pageToken) => {
    expect(() => page([], { pageToken })).toThrow(/^pageToken: /);
  });
});

describe('for clients of other makes', () => {
  function raw(constructor: ServiceClientConstructor): Client & Record<string, unknown> {
    return new constructor(`unix:${socketPath}`, credentials.createInsecure());
  }

  it('answers the standard health check', async () => {
    const { grpc } = loadPackageDefinition({ 'grpc.health.v1.Health': healthService }) as unknown as {
      grpc: { health: { v1: { Health: ServiceClientConstructor } } };
    };
    const health = raw(grpc.health.v1.Health);
    const check = health.check as (request: object, reply: (error: unknown, answer: unknown) => void) => void;
    const answer = await new Promise((resolve, reject) => {
      check.call(health, { service: 'weft.v1.Weft' }, (error, value) =>
        error ? reject(error as Error) : resolve(value),
      );
    });
    expect(answer).toMatchObject({ status: 'SERVING' });
    health.close();
  });

  it('gives its own code as the reason of a standard ErrorInfo, and the field as a violation', async () => {
    const { loadApi } = await import('../../../src/api/definition.ts');
    const weft = raw(loadApi().Weft);
    const call = (method: string, request: object) =>
      new Promise<ServiceError>((resolve, reject) => {
        const invoke = weft[method] as (request: object, reply: (error: ServiceError | null) => void) => void;
        invoke.call(weft, request, (error) => (error ? resolve(error) : reject(new Error('no error'))));
      });
    const root = new protobuf.Root();
    root.resolvePath = (_origin, target) =>
      target.startsWith('google/protobuf/') ? target : join(import.meta.dirname, '../../../src/api/proto', target);
    root.loadSync(['google/rpc/status.proto', 'google/rpc/error_details.proto']);
    const detailsOf = (error: ServiceError) => {
      const bytes = error.metadata.get('grpc-status-details-bin')[0] as Buffer;
      const status = root.lookupType('google.rpc.Status').decode(bytes) as unknown as {
        details: { type_url: string; value: Uint8Array }[];
      };
      return status.details.map(({ type_url, value }) => {
        const type = root.lookupType(type_url.replace('type.googleapis.com/', ''));
        return type.toObject(type.decode(value));
      });
    };
    control.getNetwork.mockRejectedValue(new WeftError('network-not-found', 'no network "x"', { object: 'x' }));
    expect(detailsOf(await call('GetNetwork', { ref: 'x' }))).toEqual([
      {
        reason: 'NETWORK_NOT_FOUND',
        domain: 'weft',
        metadata: { object: 'x', host: 'host1', cause: '', next: 'weft network ls -A' },
      },
    ]);
    const [, request] = detailsOf(await call('GetNetwork', { ref: '' }));
    expect(request).toEqual({ fieldViolations: [{ field: 'ref', description: 'is missing' }] });
    weft.close();
  });

  it('describes itself', async () => {
    const { loadSync } = await import('@grpc/proto-loader');
    const path = join(
      import.meta.dirname,
      '../../../node_modules/@grpc/reflection/build/proto/grpc/reflection/v1/reflection.proto',
    );
    const loaded = loadPackageDefinition(loadSync(path)) as unknown as {
      grpc: { reflection: { v1: { ServerReflection: ServiceClientConstructor } } };
    };
    const reflection = raw(loaded.grpc.reflection.v1.ServerReflection);
    const open = reflection.serverReflectionInfo as () => NodeJS.ReadWriteStream;
    const stream = open.call(reflection);
    const answer = new Promise((resolve, reject) => stream.once('data', resolve).once('error', reject));
    stream.write({ listServices: '*' } as unknown as string);
    expect(JSON.stringify(await answer)).toContain('weft.v1.Weft');
    stream.end();
    reflection.close();
  });
});
