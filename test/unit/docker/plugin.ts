import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import type { EngineControl } from '../../../src/control/port.ts';
import { startDockerPlugin } from '../../../src/engines/docker/server.ts';

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Record<string, unknown>;
}

export interface TestPlugin {
  socketPath: string;
  /** as dockerd sends: no content type, an empty Host; `undefined` sends a body of zero length */
  call(method: string, body?: unknown): Promise<Answer>;
  abort(): void;
  close(): Promise<void>;
}

export async function startPlugin(control: EngineControl, options: { deadline?: number } = {}): Promise<TestPlugin> {
  const directory = mkdtempSync(join(tmpdir(), 'weft-docker-'));
  const socketPath = join(directory, 'plugins', 'weft.sock');
  const ending = new AbortController();
  const log = pino({ level: 'silent' });
  const plugin = await startDockerPlugin({
    socketPath,
    control,
    nodeName: 'host1',
    log,
    signal: ending.signal,
    ...options,
  });
  return {
    socketPath,
    call: (method, body) => post(socketPath, method, typeof body === 'string' ? body : JSON.stringify(body)),
    abort: () => ending.abort(),
    close: async () => {
      await plugin.close();
      rmSync(directory, { recursive: true });
    },
  };
}

function post(socketPath: string, method: string, body: string | undefined): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        socketPath,
        path: `/${method}`,
        method: 'POST',
        setHost: false,
        headers: { host: '', accept: 'application/vnd.docker.plugins.v1.2+json', 'user-agent': 'Go-http-client/1.1' },
        timeout: 8_000,
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', reject);
        incoming.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: JSON.parse(text) as Record<string, unknown>,
          });
        });
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer to ${method}`)));
    outgoing.on('error', reject);
    outgoing.end(body ?? '');
  });
}
