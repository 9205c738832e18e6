/** `weft doctor` and its audit on two hosts: silent while all is well, and what is planted is found, and mended as it says. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { LINK_GROUP } from '../../../src/kernel/link-group.ts';
import type { Lab } from '../../../src/lab/lab.ts';
import { etcdctl, run, storeKeys } from '../../support/docker.ts';
import { until } from '../../support/until.ts';
import { doctor } from './doctor.ts';

/** A kernel may be built without them. */
function hasLegacyTables(): boolean {
  return spawnSync('unshare', ['--net', 'iptables-legacy', '-S']).status === 0;
}

export function examined(lab: () => Lab): void {
  describe('weftd, examined', () => {
    it('examines its hosts: silent while all is well; an underlay that shrank, a rule of udev and a closed port are found', async () => {
      const [one, two] = [lab().host(1), lab().host(2)];
      const silent = async () => (await doctor(one)).exitCode === 0;
      await until(silent, { what: 'nothing to be found', deadline: 60_000 });
      const [, link = ''] = (await run(two, 'ip', '-o', 'address', 'show', 'to', '192.0.2.2')).split(/\s+/);
      await run(two, 'ip', 'link', 'set', link, 'mtu', '1400');
      const rules = '/etc/udev/rules.d/70-lan.rules';
      await run(two, 'mkdir', '-p', '/etc/udev/rules.d', '/run/udev');
      await run(two, 'touch', '/run/udev/control');
      await run(two, 'sh', '-c', `echo 'SUBSYSTEM=="net", ACTION=="add", NAME="lan%n"' >${rules}`);
      const { exitCode, findings } = await doctor(one);
      expect([exitCode, findings.map(({ code, node, object }) => [code, node, object])]).toEqual([
        10,
        [
          ['path-mtu', 'host1', 'the way to host2'],
          ['mtu-too-small', 'host2', link],
          ['udev-rule', 'host2', rules],
        ],
      ]);
      await run(two, 'sh', '-c', findings[1]?.command ?? '');
      const [, narrowed = ''] = /add (\S+) to the rule/.exec(findings[2]?.command ?? '') ?? [];
      await run(two, 'sed', '-i', `s/$/, ${narrowed}/`, rules);
      await until(silent, { what: 'nothing to be found any more', deadline: 60_000 });

      const chain = 'chain closed { type filter hook prerouting priority -400; udp dport 14789 drop; };';
      await run(one, 'nft', `table inet planted { ${chain} }`);
      const blocked = await doctor(one);
      expect(blocked.findings.map(({ code, node, object }) => [code, node, object])).toEqual([
        ['overlay-blocked', 'host2', 'the way to host1'],
      ]);
      await run(one, 'nft', 'delete', 'table', 'inet', 'planted');
    });

    it.skipIf(!hasLegacyTables())('finds what iptables-legacy drops, which its command lets through', async () => {
      const one = lab().host(1);
      await run(one, 'iptables-legacy', '-P', 'FORWARD', 'DROP');
      const { findings } = await doctor(one);
      expect(findings.map(({ code, node, object }) => [code, node, object])).toEqual([
        ['legacy-forward-drops', 'host1', 'ip filter FORWARD'],
      ]);
      await run(one, 'sh', '-c', findings[0]?.command ?? '');
      // All that is left to say is that there are rules now.
      expect((await doctor(one)).findings.map(({ code, object }) => [code, object])).toEqual([
        ['iptables-legacy', 'ip filter'],
      ]);
      for (const undo of ['-F', '-P FORWARD ACCEPT']) await run(one, 'iptables-legacy', ...undo.split(' '));
    });

    it('is audited: silent while all is well, and what is planted is found, named, and ended as it says', async () => {
      const [one, two] = [lab().host(1), lab().host(2)];
      const silent = async () => (await doctor(two, '--audit')).exitCode === 0;
      await until(silent, { what: 'nothing to be found', deadline: 60_000 });

      const planted = ['wcplanted', 'group', `${LINK_GROUP}`, 'type', 'veth', 'peer', 'name', 'planted'];
      await run(one, 'ip', 'link', 'add', ...planted);
      const ownAddress = (await storeKeys(lab())).find((key) => /^addresses\/.*\/10\.10\.0\.10$/.test(key)) ?? '';
      const record = JSON.parse(await etcdctl(one, 'get', '--print-value-only', `/weft/v1/${ownAddress}`)) as object;
      const lost = { ...record, address: '10.10.77.77', endpoint: 'planted' };
      await etcdctl(one, 'put', `/weft/v1/${ownAddress.replace('10.10.0.10', '10.10.77.77')}`, JSON.stringify(lost));
      await run(two, 'ip', 'netns', 'add', 'short-lived');
      const attach = [
        'weft',
        'endpoint',
        'attach',
        'acme/web',
        '--netns',
        '/run/netns/short-lived',
        '--name',
        'bereft',
      ];
      await run(two, ...attach);
      await run(two, 'ip', 'netns', 'delete', 'short-lived');

      const { exitCode, nodes, findings } = await doctor(two, '--audit');
      expect(exitCode).toBe(10);
      expect(nodes.map(({ node, answered }) => [node, answered])).toEqual([
        ['host1', true],
        ['host2', true],
      ]);
      expect(findings.map(({ code, node, object }) => [code, node, object])).toEqual([
        ['address-leaked', 'host1', 'acme/web 10.10.77.77'],
        ['link-without-owner', 'host1', 'wcplanted'],
        ['sandbox-gone', 'host2', 'acme/web/bereft'],
      ]);
      for (const { command } of findings.slice(0, 2)) await run(one, 'sh', '-c', command);
      expect(findings[2]?.command).toMatch(/^weft endpoint detach acme\/web\/bereft, /);
      await run(two, 'weft', 'endpoint', 'detach', 'acme/web/bereft');
      await until(silent, { what: 'nothing to be found any more', deadline: 60_000 });
    });
  });
}
