/** Below the requests: connections that speak no HTTP/2, frames of no gRPC, and messages too large. The server serves on. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import pino from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connect } from '../../../src/api/client.ts';
import { MESSAGE_LIMIT } from '../../../src/api/definition.ts';
import { startApiServer } from '../../../src/api/server.ts';
import { TestCluster } from '../../support/control.ts';
import { Random } from '../../support/random.ts';

const LONG = process.env.WEFT_LONG !== undefined;
const CONNECTIONS = LONG ? 20_000 : 500;
const MESSAGES = LONG ? 20_000 : 1_000;
const AT_ONCE = 20;
/** of a connection that the server keeps open, as it may: it could be a slow client's */
const PATIENCE = 50;
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const PATH = '/weft.v1.Weft/CreateTenant';

let folder: string;
let socketPath: string;
let cluster: TestCluster;
let server: { close(): Promise<void> };
let chance: Random;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weft-frames-'));
  socketPath = join(folder, 'weft.sock');
  cluster = new TestCluster();
  const { control } = await cluster.node('host1');
  server = await startApiServer({ socketPath, control, nodeName: 'host1', log: pino({ level: 'silent' }) });
  chance = new Random(4_711);
});
afterEach(async () => {
  await server.close();
  await cluster.close();
  rmSync(folder, { recursive: true });
});

const bytes = (length: number) => Buffer.from(Array.from({ length }, () => chance.integer(256)));

async function inParallel(count: number, work: () => Promise<void>): Promise<void> {
  let begun = 0;
  const worker = async () => {
    while (begun++ < count) await work();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

async function answers(): Promise<void> {
  const client = connect({ socketPath });
  try {
    expect((await client.call('GetStatus', {})).node).toBe('host1');
  } finally {
    client.close();
  }
}

/** A frame whose length, type, flags and stream are all by chance, the type mostly one that exists. */
function frame(): Buffer {
  const payload = bytes(chance.integer(200));
  const head = Buffer.alloc(9);
  const length = chance.integer(4) > 0 ? payload.length : chance.integer(1 << 24);
  head.writeUIntBE(length, 0, 3);
  head.writeUInt8(chance.integer(4) > 0 ? chance.integer(10) : chance.integer(256), 3);
  head.writeUInt8(chance.integer(256), 4);
  head.writeUInt32BE(chance.pick([0, 1, 1, 2, 3, 0x7fff_ffff, 0xffff_ffff]), 5);
  return Buffer.concat([head, payload]);
}

test(`${CONNECTIONS} connections of garbage: none keeps others from being served`, { timeout: 600_000 }, async () => {
  const noHttp2 = () => bytes(1 + chance.integer(500));
  const settings = Buffer.from('000000040000000000', 'hex');
  const frames = () => Buffer.concat([PREFACE, settings, ...Array.from({ length: 1 + chance.integer(6) }, frame)]);
  const early = () => PREFACE.subarray(0, chance.integer(PREFACE.length));
  const http1 = () => Buffer.from(`POST ${PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: 99999\r\n\r\n{}`);
  await inParallel(
    CONNECTIONS,
    () =>
      new Promise((resolve) => {
        const socket = createConnection(socketPath);
        socket.setTimeout(PATIENCE, () => socket.destroy());
        socket.on('error', () => undefined).on('close', () => resolve());
        socket.resume();
        socket.end(chance.pick([noHttp2, frames, frames, early, http1])());
      }),
  );
  await answers();
});

/** The status that a stream ended with; undefined when it was reset or answered without one. */
function send(
  session: ClientHttp2Session,
  body: Buffer,
  more: Record<string, string> = {},
): Promise<number | undefined> {
  return new Promise((resolve) => {
    const head = { ':method': 'POST', ':path': PATH, 'content-type': 'application/grpc', te: 'trailers', ...more };
    const stream = session.request(head);
    let code: number | undefined;
    const note = (headers: IncomingHttpHeaders) => {
      if (headers['grpc-status'] !== undefined) code = Number(headers['grpc-status']);
    };
    stream
      .on('response', note)
      .on('trailers', note)
      .on('error', () => undefined);
    stream.on('close', () => resolve(code));
    stream.resume();
    stream.end(body);
  });
}

/** gRPC's framing by hand: what follows the five bytes of its head need not be what they say. */
function framed(payload: Buffer, { length = payload.length, flags = 0 } = {}): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags, 0);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, payload]);
}

test(`${MESSAGES} streams of frames that are no messages: each ends`, { timeout: 600_000 }, async () => {
  const session = connectHttp2('http://localhost', { createConnection: () => createConnection(socketPath) });
  const strange: [() => Buffer, Record<string, string>?][] = [
    [() => bytes(chance.integer(40))],
    [() => framed(bytes(chance.integer(40)), { length: chance.integer(100) })],
    [() => framed(bytes(10), { length: 0xffff_ffff })],
    [() => framed(bytes(10), { flags: chance.integer(256) })],
    [() => framed(bytes(10), { flags: 1 }), { 'grpc-encoding': 'gzip' }],
    [() => framed(bytes(10), { flags: 1 }), { 'grpc-encoding': 'rot13' }],
    [() => Buffer.concat([framed(Buffer.alloc(0)), framed(Buffer.alloc(0))])],
    [() => framed(Buffer.alloc(0)), { 'grpc-timeout': 'soon' }],
    [() => framed(Buffer.alloc(0)), { 'grpc-timeout': '1n' }],
    [() => framed(Buffer.alloc(0)), { 'content-type': 'text/plain' }],
    [() => framed(Buffer.alloc(0)), { ':path': '/weft.v1.Weft/Nothing' }],
    [() => framed(Buffer.alloc(0)), { ':path': '/' }],
    [() => framed(Buffer.alloc(0)), { ':method': 'GET' }],
    [() => framed(Buffer.alloc(0)), { 'x-weft-bin': '!not base64!' }],
  ];
  const codes = new Map<number | undefined, number>();
  await inParallel(MESSAGES, async () => {
    const [body, more] = chance.pick(strange);
    const code = await send(session, body(), more);
    codes.set(code, (codes.get(code) ?? 0) + 1);
  });
  session.destroy();
  expect(codes.get(status.UNKNOWN) ?? 0).toBe(0);
  expect(codes.get(status.INVALID_ARGUMENT) ?? 0).toBeGreaterThan(0);
  await answers();
});

test('a message above the limit is refused as such, and one that is announced so without its bytes', async () => {
  const session = connectHttp2('http://localhost', { createConnection: () => createConnection(socketPath) });
  const large = framed(Buffer.alloc(MESSAGE_LIMIT + 1, 0x0a));
  const announced = framed(Buffer.alloc(10), { length: MESSAGE_LIMIT + 1 });
  for (const body of [large, announced]) {
    expect(await send(session, body)).toBe(status.RESOURCE_EXHAUSTED);
  }
  session.destroy();
  await answers();
});
