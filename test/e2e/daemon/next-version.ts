/** host2 runs what passes for a later version (src/next-version.ts), host1 today's. */
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { StatusView } from '../../../src/control/port.ts';
import type { Lab } from '../../../src/lab/lab.ts';
import { CLOCK_ENVIRONMENT, hasClock, setClock } from '../../support/clock.ts';
import { etcdctl, json, reaches, run, storeKeys } from '../../support/docker.ts';
import { until } from '../../support/until.ts';
import { doctor } from './doctor.ts';

export function nextVersion(lab: () => Lab): void {
  describe('weftd beside the next version of itself', () => {
    const NEXT = { WEFT_TEST: '1', WEFT_LEVEL: '2' };
    const record = async (key: string) =>
      JSON.parse(await etcdctl(lab().host(1), 'get', '--print-value-only', `/weft/v1/${key}`)) as Record<
        string,
        unknown
      >;
    const createNext = (name: string, third: number) =>
      lab()
        .host(2)
        .exec(['weft', 'network', 'create', `acme/${name}`, '--subnet', `10.${third}.0.0/16`, '--label', 'next=yes']);

    it('goes on, loses nothing that it does not know, and keeps new features waiting for itself', async () => {
      const [one, two] = [lab().host(1), lab().host(2)];
      await two.kill('weftd');
      await setClock(two, 0);
      await two.start('weftd', { env: { ...NEXT, ...CLOCK_ENVIRONMENT } });
      const web = (await json<{ id: string }>(one, 'weft', 'network', 'inspect', 'acme/web')).id;
      const marked = async (key: string) => (await record(key)).next !== undefined;
      await until(() => marked(`networks/${web}`), { what: 'the later version writes its field', deadline: 30_000 });
      expect((await storeKeys(lab())).filter((key) => key.startsWith('next/'))).toHaveLength(1);

      await run(one, 'weft', 'network', 'update', 'acme/web', '--label', 'team=shop');
      expect(await record(`networks/${web}`)).toMatchObject({
        labels: { team: 'shop' },
        next: { since: expect.stringMatching(/-level\.2$/) as string },
      });
      await run(one, 'docker', 'run', '--rm', '--network', 'web', 'box', 'ping', '-c', '1', '-W', '2', '10.10.0.20');
      expect(await reaches(two, 'box2', '10.10.0.10')).toBe(true);

      const refused = await createNext('later', 12);
      expect([refused.exitCode, refused.stderr]).toEqual([4, expect.stringMatching(/level-too-low: .*host1/)]);
      for (const host of [one, two]) {
        expect((await json<StatusView>(host, 'weft', 'status')).conditions).toEqual([
          expect.objectContaining({ type: 'upgrade-under-way', message: expect.stringContaining('host1') as string }),
        ]);
      }
      expect((await doctor(one)).exitCode).toBe(0);
    });

    it.skipIf(!hasClock)('is found when its clock is off, and silent when it is set', async () => {
      const [one, two] = [lab().host(1), lab().host(2)];
      const clocks = async () => (await doctor(one)).findings.map(({ code, node, object }) => [code, node, object]);
      await setClock(two, -60);
      const off = ['clock-offset', 'host2', 'the clock of host2'];
      await until(async () => isDeepStrictEqual(await clocks(), [off]), { what: 'the finding', deadline: 30_000 });
      await setClock(two, 0);
      await until(async () => (await clocks()).length === 0, { what: 'nothing to be found', deadline: 30_000 });
    });

    it('is of the next level once every node is, and then refuses to start as what it was', async () => {
      const [one, two] = [lab().host(1), lab().host(2)];
      await one.kill('weftd');
      await one.start('weftd', { env: NEXT });
      await until(async () => (await json<StatusView>(two, 'weft', 'status')).level === 2, {
        what: 'the level rises',
        deadline: 30_000,
      });
      expect(await createNext('later', 12)).toMatchObject({ exitCode: 0 });
      await one.kill('weftd');
      await expect(one.start('weftd')).rejects.toThrow(/state-newer/);
      expect(await one.logs('weftd')).toMatch(/next: install weft \S+-level\.2 here, as on host2/);
      expect(await reaches(two, 'box2', '10.10.0.10')).toBe(true);
      await one.start('weftd', { env: NEXT });
      expect(await reaches(one, 'box1', '10.10.0.20')).toBe(true);
    });
  });
}
