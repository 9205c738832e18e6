/** Many containers on one host. Those without an engine are namespaces: a hundred of an engine would cost two cores minutes. */
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { LabHost } from '../../src/lab/lab.ts';
import { run } from '../support/docker.ts';
import { until } from '../support/until.ts';
import { namespaceOf } from './world.ts';
import type { Member, World } from './world.ts';

const PROGRAM = fileURLToPath(new URL('crowd.mjs', import.meta.url));

/** What its host does at each boot; gives their addresses. */
export async function attachCrowd(host: LabHost, count: number): Promise<string[]> {
  const namespaces = Array.from({ length: count }, (_, i) => `netns add crowd${i}\n`).join('');
  const made = await host.exec(['ip', '-batch', '-'], { input: namespaces });
  expect(made.exitCode, made.stderr).toBe(0);
  const attached = await host.exec(['node', PROGRAM, 'attach', String(count)], { timeout: 180_000 });
  expect(attached.exitCode, attached.stderr).toBe(0);
  return JSON.parse(attached.stdout) as string[];
}

export async function detachCrowd(host: LabHost, count: number): Promise<void> {
  await run(host, 'node', PROGRAM, 'detach', String(count));
  await run(host, 'sh', '-c', `for i in $(seq 0 ${count - 1}); do ip netns delete crowd$i; done`);
}

/** All of these from one member of another host. */
export async function reachesAll({ lab }: World, from: Member, addresses: string[]): Promise<void> {
  const inside = `nsenter --net=${namespaceOf(from)}`;
  let failed: string[] = addresses;
  const tries = () =>
    failed.map((a) => `{ ${inside} ping -q -c1 -W2 ${a} >/dev/null 2>&1 || echo ${a}; } &`).join('\n');
  await until(
    async () => {
      const { stdout } = await lab.host(from.host).exec(['sh', '-c', `${tries()}\nwait`]);
      return (failed = stdout.split('\n').filter((line) => line !== '')).length === 0;
    },
    { what: `${from.name} to reach the crowd`, deadline: 10_000 },
  ).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${failed.join(', ')}`);
  });
}
