/** Many containers of one host's engine, which starts them again at each boot. */
import { expect } from 'vitest';
import type { LabHost } from '../../src/lab/lab.ts';
import { until } from '../support/until.ts';
import { ENGINE_NETWORK, namespaceOf } from './world.ts';
import type { Member, World } from './world.ts';

/** milliseconds, of two processors for a hundred containers */
const MINUTES = 600_000;
const OF_CROWD = '-q --filter label=crowd --filter status=running';

export async function runCrowd(host: LabHost, count: number): Promise<void> {
  const options = `--restart always --label crowd --network ${ENGINE_NETWORK}`;
  await inShell(host, `seq ${count} | xargs -P 4 -I @ docker run -d --name crowd@ ${options} box sleep 100000`);
}

/** Their addresses, once so many run. */
export async function addressesOfCrowd(host: LabHost, count: number): Promise<string[]> {
  let running: string[] = [];
  const all = async () => {
    running = (await inShell(host, `docker ps ${OF_CROWD}`)).split('\n').filter((id) => id !== '');
    return running.length === count;
  };
  await until(all, { what: `${count} containers to run`, deadline: MINUTES, every: 1_000 }).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${running.length} do`);
  });
  const address = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}';
  return (await inShell(host, `docker inspect -f '${address}' ${running.join(' ')}`)).trim().split('\n');
}

export async function removeCrowd(host: LabHost): Promise<void> {
  await inShell(host, 'docker ps -aq --filter label=crowd | xargs -P 4 -n 10 docker rm -f');
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

async function inShell(host: LabHost, script: string): Promise<string> {
  const { exitCode, stdout, stderr } = await host.exec(['sh', '-c', script], { timeout: MINUTES });
  expect(exitCode, `${script}: ${stderr}`).toBe(0);
  return stdout;
}
