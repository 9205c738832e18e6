/** A host gets other addresses while containers of both talk: host2, and then host1, where etcd is. */
import { describe, expect, it } from 'vitest';
import type { StatusView } from '../../../src/control/port.ts';
import type { Lab } from '../../../src/lab/lab.ts';
import { createDockerNetwork, json, reaches, run } from '../../support/docker.ts';
import { until } from '../../support/until.ts';
import { doctor } from './doctor.ts';

export function movedHost(lab: () => Lab): void {
  describe('a host whose address changes', () => {
    const status = (n: number) => json<StatusView>(lab().host(n), 'weft', 'status');
    const on = (n: number) => (text: string) => run(lab().host(n), 'ip', ...text.split(' '));
    const on2 = on(2);
    const settings = '/etc/weft/weft.yaml';
    const setting = (n: number, from: string, to: string) =>
      run(lab().host(n), 'sed', '-i', `s/${from}/${to}/`, settings);
    const talks = async () =>
      (await reaches(lab().host(1), 'box1', '10.10.0.20')) && (await reaches(lab().host(2), 'box2', '10.10.0.10'));
    const restarted = async (n: number) => {
      await lab().host(n).kill('weftd');
      await lab().host(n).start('weftd');
    };

    it('says that a fixed address is gone, and is well again when it is back', async () => {
      await until(talks, { what: 'the containers talk', deadline: 60_000 });
      await on2('address delete 192.0.2.2/24 dev eth0');
      await until(async () => (await status(2)).conditions.some(({ type }) => type === 'vtep-gone'), {
        what: 'the condition',
        deadline: 10_000,
      });
      const [condition] = (await status(2)).conditions.filter(({ type }) => type === 'vtep-gone');
      expect(condition).toMatchObject({ object: '192.0.2.2', message: expect.stringContaining('; next: ') as string });
      await on2('address add 192.0.2.2/24 dev eth0');
      await until(async () => (await status(2)).conditions.length === 0, { what: 'it is over', deadline: 60_000 });
      await until(talks, { what: 'the containers talk again', deadline: 10_000 });
    });

    it('is followed everywhere: its containers are reached within 10 s, it is examined, and connections go on', async () => {
      await setting(2, 'address: 192.0.2.2', 'interface: eth0');
      await restarted(2);
      await until(talks, { what: 'the containers talk', deadline: 60_000 });
      await run(lab().host(1), 'docker', 'exec', '-d', 'box1', 'sh', '-c', 'sleep 100000 | nc -l -p 9000 > /tmp/heard');
      const listens = async () =>
        (await run(lab().host(1), 'docker', 'exec', 'box1', 'netstat', '-ltn')).includes(':9000');
      await until(listens, { what: 'box1 listens', deadline: 30_000 });
      const feed = 'i=0; while echo $((i=i+1)); do sleep 1; done | nc 10.10.0.10 9000';
      await run(lab().host(2), 'docker', 'exec', '-d', 'box2', 'sh', '-c', feed);
      const heard = async () =>
        Number((await run(lab().host(1), 'docker', 'exec', 'box1', 'tail', '-n', '1', '/tmp/heard')) || 0);
      await until(async () => (await heard()) > 0, { what: 'the connection stands', deadline: 30_000 });

      await on2('address delete 192.0.2.2/24 dev eth0');
      await on2('address add 192.0.2.22/24 dev eth0');
      await until(talks, { what: 'the containers talk over the new address', deadline: 10_000 });
      const before = await heard();
      await until(async () => (await heard()) > before, { what: 'the connection goes on', deadline: 30_000 });
      await until(async () => (await doctor(lab().host(1))).exitCode === 0, { what: 'all is well', deadline: 60_000 });
      expect(await status(2)).toMatchObject({ repairs: { total: 0 }, conditions: [] });
      const certificate = `openssl x509 -noout -ext subjectAltName -in /var/lib/weft/pki/node.crt`.split(' ');
      await until(async () => (await run(lab().host(2), ...certificate)).includes('192.0.2.22'), {
        what: 'the certificate names the new address',
        deadline: 30_000,
      });
    });

    it('is not guessed: of two new addresses neither is taken until one is left', async () => {
      await on2('address add 198.51.100.2/24 dev eth0');
      await on2('address add 203.0.113.2/24 dev eth0');
      expect(await talks()).toBe(true);
      await on2('address delete 192.0.2.22/24 dev eth0');
      const ambiguous = async () => (await status(2)).conditions.find(({ type }) => type === 'underlay-ambiguous');
      await until(async () => (await ambiguous()) !== undefined, { what: 'the condition', deadline: 10_000 });
      expect((await ambiguous())?.message).toMatch(/198\.51\.100\.2 on eth0, 203\.0\.113\.2 on eth0/);
      await lab().host(2).kill('weftd');
      await expect(lab().host(2).start('weftd')).rejects.toThrow(
        /underlay-ambiguous.*198\.51\.100\.2.*203\.0\.113\.2/s,
      );
      await on2('address flush dev eth0 scope global');
      await on2('address add 192.0.2.2/24 dev eth0');
      await setting(2, 'interface: eth0', 'address: 192.0.2.2');
      await lab().host(2).start('weftd');
      await until(talks, { what: 'the containers talk', deadline: 60_000 });
    });

    it('is found by all when it runs etcd: at once, by what they do next, and when they start again', async () => {
      const isWell = async (n: number) => {
        const { store, conditions } = await status(n);
        return store.state === 'ok' && conditions.length === 0;
      };
      await setting(1, 'address: 192.0.2.1', 'interface: eth0');
      await restarted(1);
      await until(talks, { what: 'the containers talk', deadline: 60_000 });

      await on(1)('address delete 192.0.2.1/24 dev eth0');
      await on(1)('address add 192.0.2.11/24 dev eth0');
      await until(talks, { what: 'the containers talk over the new address', deadline: 10_000 });
      await until(() => isWell(2), { what: 'host2 has etcd again', deadline: 30_000 });
      await createDockerNetwork(lab().host(2), {
        tenant: 'acme',
        name: 'after',
        network: 'after',
        subnets: ['10.11.0.0/16'],
      });
      await run(lab().host(2), 'docker', 'run', '--rm', '--network', 'after', 'box', 'true');

      expect(await run(lab().host(2), 'cat', settings)).not.toContain('192.0.2.11');
      await restarted(2);
      await until(() => isWell(2), { what: 'host2 finds etcd when it starts', deadline: 30_000 });
      await run(lab().host(2), 'docker', 'network', 'rm', 'after');

      await on(1)('address delete 192.0.2.11/24 dev eth0');
      await on(1)('address add 192.0.2.1/24 dev eth0');
      await until(talks, { what: 'the containers talk over the former address', deadline: 10_000 });
      await setting(1, 'interface: eth0', 'address: 192.0.2.1');
      await restarted(1);
      await until(async () => (await isWell(1)) && (await isWell(2)), { what: 'all is well', deadline: 60_000 });
      await until(talks, { what: 'the containers talk', deadline: 60_000 });
    });
  });
}
