/** etcd runs on host1; what is in host2's journal must stand in it afterwards, and nothing else of host2's. */
import { afterEach, describe, expect, it } from 'vitest';
import type { EndpointView, StatusView } from '../../../src/control/port.ts';
import type { Lab } from '../../../src/lab/lab.ts';
import { json, reaches, run, storeKeys } from '../../support/docker.ts';
import { until } from '../../support/until.ts';

export function storeAway(lab: () => Lab): void {
  describe('weftd that starts while etcd is away', () => {
    const RUN = ['docker', 'run', '-d', '--network', 'web'];
    const box = (name: string) => run(lab().host(2), ...RUN, '--name', name, 'box', 'sleep', '100000');
    const addressOf = async (name: string) =>
      run(lab().host(2), 'docker', 'inspect', '-f', '{{.NetworkSettings.Networks.web.IPAddress}}', name);
    const status = () => json<StatusView>(lab().host(2), 'weft', 'status');
    const endpoints = (n: number) => json<EndpointView[]>(lab().host(n), 'weft', 'endpoint', 'ls', '-A');

    /** A start that cannot ask etcd. */
    async function away(): Promise<void> {
      await lab().host(1).freeze('etcd');
      await until(async () => (await status()).store.state === 'away', {
        what: 'host2 notices that etcd is away',
        deadline: 60_000,
      });
    }

    async function back(): Promise<void> {
      await lab().host(1).thaw('etcd');
      await until(async () => (await status()).conditions.length === 0, { what: 'host2 reads etcd', deadline: 60_000 });
      await until(async () => (await endpoints(1)).every(({ published }) => published), {
        what: 'all is in etcd',
        deadline: 60_000,
      });
      const stored = (await storeKeys(lab()))
        .filter((key) => key.startsWith('endpoints/'))
        .map((key) => key.split('/')[2]);
      expect((await endpoints(2)).map(({ id }) => id).sort()).toEqual(stored.sort());
    }

    afterEach(() => lab().host(1).thaw('etcd'));

    it('serves from its journal and what it kept: containers come, go, restart, and are reached', async () => {
      await box('early');
      await until(() => reaches(lab().host(1), 'box1', '10.10.0.20'), {
        what: 'the hosts see each other',
        deadline: 60_000,
      });
      await until(async () => (await endpoints(1)).length === 3, { what: 'host1 to know all', deadline: 60_000 });
      await away();
      await lab().host(2).kill('weftd');
      await lab().host(2).start('weftd');
      expect(await status()).toMatchObject({
        store: { state: 'away' },
        conditions: [
          { type: 'store-picture', object: 'etcd', message: expect.stringContaining('picture of revision') as string },
        ],
      });
      await box('late');
      const late = await addressOf('late');
      await until(() => reaches(lab().host(1), 'box1', late), {
        what: 'host1 hears of it without etcd',
        deadline: 60_000,
      });
      expect(await reaches(lab().host(2), 'late', '10.10.0.10')).toBe(true);
      await run(lab().host(2), 'docker', 'rm', '-f', 'early');
      await run(lab().host(2), 'docker', 'restart', '-t', '0', 'box2');
      await until(() => reaches(lab().host(1), 'box1', '10.10.0.20'), { what: 'box2 is back', deadline: 60_000 });
      const refused = await lab().host(2).exec(['weft', 'network', 'create', 'acme/other', '--subnet', '10.11.0.0/16']);
      expect([refused.exitCode, refused.stderr]).toEqual([6, expect.stringContaining('store-away')]);
      await back();
      expect((await endpoints(1)).map(({ addresses }) => addresses[0]).sort()).toEqual(
        ['10.10.0.10/16', '10.10.0.20/16', `${late}/16`].sort(),
      );
    });

    it('brings the containers of its host back after a power cut, and gives no new address', async () => {
      const before = await addressOf('late');
      await run(lab().host(2), 'docker', 'update', '--restart', 'always', 'late');
      await away();
      await lab().host(2).powerCycle();
      await until(() => reaches(lab().host(1), 'box1', '10.10.0.20'), { what: 'box2 is back', deadline: 60_000 });
      const addresses = async () => [await addressOf('box2'), await addressOf('late')];
      await until(async () => !(await addresses()).includes(''), { what: 'both are back', deadline: 60_000 });
      expect(await addresses()).toEqual(['10.10.0.20', before]);
      expect(await reaches(lab().host(2), 'late', '10.10.0.10')).toBe(true);
      const options = ['--name', 'new', '--network', 'web'];
      const refused = await lab()
        .host(2)
        .exec(['docker', 'run', '--rm', ...options, 'box', 'true'], { timeout: 30_000 });
      expect([refused.exitCode, refused.stderr]).toEqual([125, expect.stringContaining('etcd')]);
      await back();
      await run(lab().host(2), 'docker', 'run', '--rm', '--network', 'web', 'box', 'true');
    });
  });
}
