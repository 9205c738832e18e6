import { Writable } from 'node:stream';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import type { Log } from '../../../src/store/log.ts';

it('is a shape that a pino logger has', () => {
  const lines: string[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  });
  const log: Log = pino(sink);
  log.warn({ endpoint: 'e' }, 'etcd does not answer');
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ endpoint: 'e', msg: 'etcd does not answer' });
});
