/** The daemon's life on a host: activation by socket, metrics, a checked configuration, power cuts; and `daemon/*`. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EndpointView, StatusView } from '../../src/control/port.ts';
import { labUp } from '../../src/lab/lab.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { createDockerNetwork, json, reaches, run } from '../support/docker.ts';
import { until } from '../support/until.ts';
import { examined } from './daemon/examined.ts';
import { movedHost } from './daemon/moved-host.ts';
import { nextVersion } from './daemon/next-version.ts';
import { storeAway } from './daemon/store-away.ts';

let lab: Lab;

beforeAll(async () => {
  lab = await labUp({ name: `daemon-${process.pid}`, hosts: 2, engine: 'docker' });
  for (const host of lab.hosts) await createDockerNetwork(host, { tenant: 'acme', name: 'web' });
  for (const n of [1, 2]) {
    const options = ['--restart', 'always', '--network', 'web', '--ip', `10.10.0.${n * 10}`];
    await run(lab.host(n), 'docker', 'run', '-d', '--name', `box${n}`, ...options, 'box', 'sleep', '100000');
  }
});

afterAll(async () => {
  await lab.down();
});

describe('weftd', () => {
  it('prints its settings, or names the wrong one', async () => {
    const host = lab.host(2);
    const settings = JSON.parse(await run(host, 'weftd', '--check-config')) as { node: { name: string } };
    expect(settings.node.name).toBe('host2');
    const wrong = await host.exec(['weftd', '--check-config', '--set', 'store.mode=none']);
    expect([wrong.exitCode, wrong.stderr]).toEqual([1, expect.stringContaining('store.mode')]);
    const misspelt = await host.exec(['weftd', '--check-config'], { env: { WEFT_LOG_LEVLE: 'debug' } });
    expect([misspelt.exitCode, misspelt.stderr]).toEqual([1, expect.stringContaining('WEFT_LOG_LEVEL')]);
  });

  it('serves metrics on loopback and nothing in clear beyond it', async () => {
    const host = lab.host(1);
    const script = `fetch('http://127.0.0.1:7782/metrics').then((r) => r.text()).then((t) => console.log(t))`;
    const text = await run(host, 'node', '-e', script);
    expect(text).toMatch(/^weft_store_state\{state="ok"\} 1$/m);
    expect(text).toMatch(/^weft_applied_revision \d+$/m);
    expect(Number(/^weft_certificate_expiry_seconds ([\d.e+]+)$/m.exec(text)?.[1])).toBeGreaterThan(Date.now() / 1_000);
    expect(text).toMatch(/^weft_event_loop_delay_seconds\{quantile="0.99"\} [\d.e-]+$/m);
    const listening = (await run(host, 'ss', '-ltnH')).split('\n').map((line) => line.trim().split(/\s+/)[3] ?? '');
    const beyond = listening.filter((address) => !address.startsWith('127.') && !address.startsWith('[::1]'));
    expect(beyond.sort()).toEqual([2379, 2380, 7781].map((port) => `192.0.2.1:${port}`));
    for (const port of [2379, 2380, 7781]) {
      const clear = await lab
        .host(2)
        .exec(['node', '-e', `fetch('http://192.0.2.1:${port}/version').then((r) => r.text()).then(console.log)`]);
      expect(clear.exitCode).not.toBe(0);
    }
  });

  it('stops cleanly while traffic goes on, and finds everything in place when it is back', async () => {
    const host = lab.host(2);
    await run(host, 'pkill', '-TERM', '-f', 'bin/weftd$');
    const sockets = ['/run/weft/weft.sock', '/run/docker/plugins/weft.sock'];
    await until(async () => (await host.exec(['ls', ...sockets])).stdout === '', { what: 'its sockets are gone' });
    expect(await reaches(lab.host(1), 'box1', '10.10.0.20')).toBe(true);
    expect(await reaches(host, 'box2', '10.10.0.10')).toBe(true);
    expect(await host.logs('weftd')).toContain('stopping; traffic goes on');
    await host.start('weftd');
    expect(await json<StatusView>(host, 'weft', 'status')).toMatchObject({ repairs: { total: 0 }, conditions: [] });
  });

  it('is started by the first call of Docker, which gets its answer', async () => {
    const host = lab.host(2);
    await host.kill('weftd');
    await run(host, 'rm', '-f', '/run/docker/plugins/weft.sock');
    const activation = ['systemd-socket-activate', '-l', '/run/docker/plugins/weft.sock', '--fdname=docker'];
    const daemon = await host.spawn([...activation, '-E', 'PATH', 'weftd']);
    await until(async () => (await host.exec(['test', '-S', '/run/docker/plugins/weft.sock'])).exitCode === 0, {
      what: 'the socket is open',
    });
    await run(host, 'docker', 'run', '--rm', '--network', 'web', 'box', 'ping', '-c', '1', '-W', '2', '10.10.0.10');
    await daemon.kill('TERM');
    await host.start('weftd');
  });

  it('brings its containers back after a power cut of either host, and nothing is doubled', async () => {
    for (const n of [2, 1]) {
      await lab.host(n).powerCycle();
      const other = 3 - n;
      await until(() => reaches(lab.host(other), `box${other}`, `10.10.0.${n * 10}`), {
        what: `box${n} is back`,
        deadline: 90_000,
      });
    }
    const endpoints = await json<EndpointView[]>(lab.host(1), 'weft', 'endpoint', 'ls', '-A');
    expect(endpoints.map(({ addresses, state }) => [addresses[0], state]).sort()).toEqual([
      ['10.10.0.10/16', 'ready'],
      ['10.10.0.20/16', 'ready'],
    ]);
  });
});

examined(() => lab);
movedHost(() => lab);
storeAway(() => lab);
nextVersion(() => lab);
