import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import type { AtFailpoint } from '../../../src/control/failpoints.ts';
import type { EngineControl } from '../../../src/control/engines/port.ts';
import { startDockerPlugin } from '../../../src/engines/docker/server.ts';
import { post } from '../../support/plugin-client.ts';
import type { Answer } from '../../support/plugin-client.ts';

export interface TestPlugin {
  socketPath: string;
  /** as dockerd sends: no content type, an empty Host; `undefined` sends a body of zero length */
  call(method: string, body?: unknown): Promise<Answer>;
  abort(): void;
  close(): Promise<void>;
}

export async function startPlugin(
  control: EngineControl,
  options: { deadline?: number; at?: AtFailpoint } = {},
): Promise<TestPlugin> {
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
    call: (method, body) =>
      post(socketPath, method, typeof body === 'string' ? body : body === undefined ? '' : JSON.stringify(body)),
    abort: () => ending.abort(),
    close: async () => {
      await plugin.close();
      rmSync(directory, { recursive: true });
    },
  };
}
