/** weftd and etcd as systemd runs them: the units as they are shipped, on a host whose pid 1 is systemd. */
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SYSTEMD, SystemdHost } from '../support/systemd-host.ts';
import { until } from '../support/until.ts';

const CONFIGURATION = `
node: { name: host1 }
underlay: { address: 192.0.2.1 }
`;
const LOGGED = (name: string) =>
  `[Service]\nStandardOutput=append:/run/${name}.log\nStandardError=append:/run/${name}.log\n`;

/** Docker's first call of a plugin. */
const ACTIVATE = `
const call = require('node:http').request(
  { socketPath: '/run/docker/plugins/weft.sock', path: '/Plugin.Activate', method: 'POST' },
  (response) => response.pipe(process.stdout),
);
call.end();
`;

let host: SystemdHost | undefined;
let reason = existsSync(SYSTEMD) ? '' : 'systemd is not installed';

beforeAll(async () => {
  if (reason !== '') return;
  try {
    host = await SystemdHost.boot({
      'weft/weft.yaml': CONFIGURATION,
      'systemd/system/weftd.service.d/test.conf': `${LOGGED('weftd')}WatchdogSec=3\n`,
      'systemd/system/weft-etcd.service.d/test.conf': LOGGED('etcd'),
    });
  } catch (error) {
    reason = String(error);
  }
});

afterAll(async () => {
  await host?.down();
});

/** Skips where systemd cannot run in namespaces. */
const onSystemd = (name: string, test: (host: SystemdHost) => Promise<void>) =>
  it(name, async (context) => {
    if (!host) return context.skip(reason);
    await test(host);
  });

const pidOf = (on: SystemdHost, unit: string) => on.property(unit, 'MainPID');
const isActive = async (on: SystemdHost, unit: string) => (await on.property(unit, 'ActiveState')) === 'active';
const answers = async (on: SystemdHost) => {
  const { stdout, exitCode } = await on.exec('weft', 'status', '-o', 'json');
  return exitCode === 0 && (JSON.parse(stdout) as { store: { state: string } }).store.state === 'ok';
};

describe('under systemd', () => {
  onSystemd('weftd starts etcd in its unit, and is started when it serves', async (on) => {
    await on.run('systemctl', 'start', 'weftd.service').catch(async (error: unknown) => {
      throw new Error(`${String(error)}\n${await on.read('/run/weftd.log')}\n${await on.read('/run/etcd.log')}`);
    });
    expect(await answers(on)).toBe(true);
    expect(await isActive(on, 'weft-etcd.service')).toBe(true);
    expect(await on.property('weftd.service', 'StatusText')).toBe('serving');
  });

  onSystemd('etcd has a user of its own, no capability, and no sight of the CA’s key', async (on) => {
    const pid = await pidOf(on, 'weft-etcd.service');
    const status = await on.read(`/proc/${pid}/status`);
    const uid = (await on.run('id', '-u', 'weft-etcd')).trim();
    expect(status).toMatch(new RegExp(`^Uid:\\t${uid}\\t${uid}\\t`, 'm'));
    expect(status).toMatch(/^CapEff:\t0+$/m);
    expect(await on.run('ls', '/var/lib/weft/pki')).toContain('ca.key');
    expect((await on.run('ls', `/proc/${pid}/root/var/lib/weft`)).trim()).toBe('etcd');
    expect((await on.run('stat', '-c', '%a %U', '/var/lib/weft/etcd/etcd.yaml')).trim()).toBe('600 weft-etcd');
  });

  onSystemd('an etcd that is killed is started again, whether weftd runs or not', async (on) => {
    for (const command of ['stop', 'start']) {
      await on.run('systemctl', command, 'weftd.service');
      const etcd = await pidOf(on, 'weft-etcd.service');
      await on.run('kill', '-KILL', etcd);
      const back = async () =>
        !['0', etcd].includes(await pidOf(on, 'weft-etcd.service')) && (await isActive(on, 'weft-etcd.service'));
      await until(back, { what: 'another etcd', deadline: 30_000 });
    }
    await until(() => answers(on), { what: 'weftd to have its store back', deadline: 30_000 });
  });

  onSystemd('an engine that calls while weftd is down is answered by the weftd that its call starts', async (on) => {
    await on.run('systemctl', 'stop', 'weftd.service');
    await on.run('systemctl', 'start', 'weftd-docker.socket');
    expect((await on.run('stat', '-c', '%a %F', '/run/docker/plugins/weft.sock')).trim()).toBe('600 socket');
    const answer = JSON.parse(await on.run('node', '-e', ACTIVATE)) as { Implements: string[] };
    expect(answer.Implements).toEqual(['NetworkDriver', 'IpamDriver']);
    await until(() => isActive(on, 'weftd.service'), { what: 'weftd to serve', deadline: 30_000 });
  });

  onSystemd(
    'a weftd that hangs is ended by the watchdog, started again, and takes over the etcd that runs',
    async (on) => {
      const etcd = await pidOf(on, 'weft-etcd.service');
      const weftd = await pidOf(on, 'weftd.service');
      await on.run('kill', '-STOP', weftd);
      const isAnother = async () => !['0', weftd].includes(await pidOf(on, 'weftd.service'));
      await until(isAnother, { what: 'another weftd', deadline: 60_000, every: 100 });
      await until(() => isActive(on, 'weftd.service'), { what: 'it to serve', deadline: 30_000, every: 100 });
      expect(await answers(on)).toBe(true);
      expect(await pidOf(on, 'weft-etcd.service')).toBe(etcd);
    },
  );
});
