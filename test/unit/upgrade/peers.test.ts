/** The API between versions: what one side does not know is passed over, or refused by name. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Metadata, credentials, status as grpcStatus } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ERROR_TRAILER } from '../../../src/api/definition.ts';
import { fromServiceError } from '../../../src/api/errors.ts';
import { startApiServer } from '../../../src/api/server.ts';
import { fakeControl } from '../../support/fake-control.ts';

const log = pino({ level: 'silent' });
let folder: string;
let control: ReturnType<typeof fakeControl>;
let server: { close(): Promise<void> };
let raw: Client;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weft-peers-'));
  const socketPath = join(folder, 'weft.sock');
  control = fakeControl();
  server = await startApiServer({ socketPath, control, nodeName: 'host1', log });
  raw = new Client(`unix:${socketPath}`, credentials.createInsecure());
});
afterEach(async () => {
  raw.close();
  await server.close();
  rmSync(folder, { recursive: true });
});

function send(method: string, message: Buffer): Promise<{ error: ServiceError | null; answer: Buffer | undefined }> {
  const same = (bytes: Buffer) => bytes;
  return new Promise((resolve) => {
    raw.makeUnaryRequest(`/weft.v1.Weft/${method}`, same, same, message, (error, answer) => resolve({ error, answer }));
  });
}

/** Field 1900 as text, field 1901 as a number, as a later .proto may have them. */
const LATER = Buffer.from([0xe2, 0x76, 0x05, ...Buffer.from('later'), 0xe8, 0x76, 0x2a]);

describe('a caller of a later version', () => {
  it('is answered, whatever more its request says', async () => {
    const name = Buffer.from([0x0a, 0x04, ...Buffer.from('acme')]);
    const { error } = await send('CreateTenant', Buffer.concat([LATER, name, LATER]));
    expect(error).toBeNull();
    expect(control.createTenant).toHaveBeenCalledWith({ name: 'acme' }, expect.anything());
  });

  it('is told in our words that a method is not known here, and what to do', async () => {
    const { error } = await send('WeaveTheWeb', LATER);
    expect(error?.code).toBe(grpcStatus.UNIMPLEMENTED);
    expect(fromServiceError(error!, '192.0.2.2:7781')).toMatchObject({
      code: 'call-unknown',
      object: '192.0.2.2:7781',
      next: expect.stringContaining('upgrade weft on that host') as string,
    });
    // and the next call is served
    expect((await send('GetStatus', Buffer.alloc(0))).error).toBeNull();
  });
});

describe('an answer of a later version', () => {
  const failure = (code: string, status: grpcStatus): ServiceError => {
    const report = { code, message: 'the loom is jammed', object: 'loom', host: 'host2', cause: '', next: 'oil it' };
    const metadata = new Metadata();
    metadata.set(ERROR_TRAILER, Buffer.from(JSON.stringify({ ...report, later: true })));
    return Object.assign(new Error('x'), { code: status, details: report.message, metadata });
  };

  it('with an error that is not known here says all it said, and ends as alike as can be', () => {
    const said = { message: 'loom-jammed: the loom is jammed', object: 'loom', host: 'host2', next: 'oil it' };
    expect(fromServiceError(failure('loom-jammed', grpcStatus.PERMISSION_DENIED), 's')).toMatchObject({
      ...said,
      code: 'not-allowed',
    });
    expect(fromServiceError(failure('loom-jammed', grpcStatus.DATA_LOSS), 's')).toMatchObject({
      ...said,
      code: 'internal',
    });
    expect(fromServiceError(failure('pool-exhausted', grpcStatus.FAILED_PRECONDITION), 's').code).toBe(
      'pool-exhausted',
    );
  });
});
