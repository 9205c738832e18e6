/** The daemon's life on a host: activation by socket, metrics, a checked configuration, power cuts of its hosts. */
import { spawnSync } from 'node:child_process';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Examination } from '../../src/control/examination/port.ts';
import type { EndpointView, StatusView } from '../../src/control/port.ts';
import { LINK_GROUP } from '../../src/kernel/link-group.ts';
import { labUp } from '../../src/lab/lab.ts';
import type { Lab, LabHost } from '../../src/lab/lab.ts';
import { CLOCK_ENVIRONMENT, hasClock, setClock } from '../support/clock.ts';
import { createDockerNetwork, etcdctl, json, reaches, run, storeKeys } from '../support/docker.ts';
import { until } from '../support/until.ts';

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

  it('examines its hosts: silent while all is well; an underlay that shrank, a rule of udev and a closed port are found', async () => {
    const [one, two] = [lab.host(1), lab.host(2)];
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
    const one = lab.host(1);
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
    const [one, two] = [lab.host(1), lab.host(2)];
    const silent = async () => (await doctor(two, '--audit')).exitCode === 0;
    await until(silent, { what: 'nothing to be found', deadline: 60_000 });

    const planted = ['wcplanted', 'group', `${LINK_GROUP}`, 'type', 'veth', 'peer', 'name', 'planted'];
    await run(one, 'ip', 'link', 'add', ...planted);
    const ownAddress = (await storeKeys(lab)).find((key) => /^addresses\/.*\/10\.10\.0\.10$/.test(key)) ?? '';
    const record = JSON.parse(await etcdctl(one, 'get', '--print-value-only', `/weft/v1/${ownAddress}`)) as object;
    const lost = { ...record, address: '10.10.77.77', endpoint: 'planted' };
    await etcdctl(one, 'put', `/weft/v1/${ownAddress.replace('10.10.0.10', '10.10.77.77')}`, JSON.stringify(lost));
    await run(two, 'ip', 'netns', 'add', 'short-lived');
    const attach = ['weft', 'endpoint', 'attach', 'acme/web', '--netns', '/run/netns/short-lived', '--name', 'bereft'];
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

/** A kernel may be built without them. */
function hasLegacyTables(): boolean {
  return spawnSync('unshare', ['--net', 'iptables-legacy', '-S']).status === 0;
}

async function doctor(host: LabHost, ...flags: string[]): Promise<Examination & { exitCode: number }> {
  const { exitCode, stdout } = await host.exec(['weft', 'doctor', ...flags, '-o', 'json'], { timeout: 60_000 });
  return { exitCode, ...(JSON.parse(stdout) as Examination) };
}

/** host1 keeps its address; host2 gets others while containers of both talk. */
describe('a host whose address changes', () => {
  const status = (n: number) => json<StatusView>(lab.host(n), 'weft', 'status');
  const on2 = (text: string) => run(lab.host(2), 'ip', ...text.split(' '));
  const settings = '/etc/weft/weft.yaml';
  const setting = (from: string, to: string) => run(lab.host(2), 'sed', '-i', `s/${from}/${to}/`, settings);
  const talks = async () =>
    (await reaches(lab.host(1), 'box1', '10.10.0.20')) && (await reaches(lab.host(2), 'box2', '10.10.0.10'));
  const restarted = async () => {
    await lab.host(2).kill('weftd');
    await lab.host(2).start('weftd');
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
    await setting('address: 192.0.2.2', 'interface: eth0');
    await restarted();
    await until(talks, { what: 'the containers talk', deadline: 60_000 });
    await run(lab.host(1), 'docker', 'exec', '-d', 'box1', 'sh', '-c', 'sleep 100000 | nc -l -p 9000 > /tmp/heard');
    const listens = async () => (await run(lab.host(1), 'docker', 'exec', 'box1', 'netstat', '-ltn')).includes(':9000');
    await until(listens, { what: 'box1 listens', deadline: 30_000 });
    const feed = 'i=0; while echo $((i=i+1)); do sleep 1; done | nc 10.10.0.10 9000';
    await run(lab.host(2), 'docker', 'exec', '-d', 'box2', 'sh', '-c', feed);
    const heard = async () =>
      Number((await run(lab.host(1), 'docker', 'exec', 'box1', 'tail', '-n', '1', '/tmp/heard')) || 0);
    await until(async () => (await heard()) > 0, { what: 'the connection stands', deadline: 30_000 });

    await on2('address delete 192.0.2.2/24 dev eth0');
    await on2('address add 192.0.2.22/24 dev eth0');
    await until(talks, { what: 'the containers talk over the new address', deadline: 10_000 });
    const before = await heard();
    await until(async () => (await heard()) > before, { what: 'the connection goes on', deadline: 30_000 });
    await until(async () => (await doctor(lab.host(1))).exitCode === 0, { what: 'all is well', deadline: 60_000 });
    expect(await status(2)).toMatchObject({ repairs: { total: 0 }, conditions: [] });
    const certificate = `openssl x509 -noout -ext subjectAltName -in /var/lib/weft/pki/node.crt`.split(' ');
    await until(async () => (await run(lab.host(2), ...certificate)).includes('192.0.2.22'), {
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
    await lab.host(2).kill('weftd');
    await expect(lab.host(2).start('weftd')).rejects.toThrow(/underlay-ambiguous.*198\.51\.100\.2.*203\.0\.113\.2/s);
    await on2('address flush dev eth0 scope global');
    await on2('address add 192.0.2.2/24 dev eth0');
    await setting('interface: eth0', 'address: 192.0.2.2');
    await lab.host(2).start('weftd');
    await until(talks, { what: 'the containers talk', deadline: 60_000 });
  });
});

/** etcd runs on host1; what is in host2's journal must stand in it afterwards, and nothing else of host2's. */
describe('weftd that starts while etcd is away', () => {
  const box = (name: string, ...options: string[]) =>
    run(lab.host(2), 'docker', 'run', '-d', '--name', name, '--network', 'web', ...options, 'box', 'sleep', '100000');
  const addressOf = async (name: string) =>
    run(lab.host(2), 'docker', 'inspect', '-f', '{{.NetworkSettings.Networks.web.IPAddress}}', name);
  const status = () => json<StatusView>(lab.host(2), 'weft', 'status');
  const endpoints = (n: number) => json<EndpointView[]>(lab.host(n), 'weft', 'endpoint', 'ls', '-A');

  /** A start that cannot ask etcd. */
  async function away(): Promise<void> {
    await lab.host(1).freeze('etcd');
    await until(async () => (await status()).store.state === 'away', {
      what: 'host2 notices that etcd is away',
      deadline: 60_000,
    });
  }

  async function back(): Promise<void> {
    await lab.host(1).thaw('etcd');
    await until(async () => (await status()).conditions.length === 0, { what: 'host2 reads etcd', deadline: 60_000 });
    await until(async () => (await endpoints(1)).every(({ published }) => published), {
      what: 'all is in etcd',
      deadline: 60_000,
    });
    const stored = (await storeKeys(lab)).filter((key) => key.startsWith('endpoints/')).map((key) => key.split('/')[2]);
    expect((await endpoints(2)).map(({ id }) => id).sort()).toEqual(stored.sort());
  }

  afterEach(() => lab.host(1).thaw('etcd'));

  it('serves from its journal and what it kept: containers come, go, restart, and are reached', async () => {
    await box('early');
    await until(() => reaches(lab.host(1), 'box1', '10.10.0.20'), {
      what: 'the hosts see each other',
      deadline: 60_000,
    });
    await until(async () => (await endpoints(1)).length === 3, { what: 'host1 to know all', deadline: 60_000 });
    await away();
    await lab.host(2).kill('weftd');
    await lab.host(2).start('weftd');
    expect(await status()).toMatchObject({
      store: { state: 'away' },
      conditions: [
        { type: 'store-picture', object: 'etcd', message: expect.stringContaining('picture of revision') as string },
      ],
    });
    await box('late');
    const late = await addressOf('late');
    await until(() => reaches(lab.host(1), 'box1', late), { what: 'host1 hears of it without etcd', deadline: 60_000 });
    expect(await reaches(lab.host(2), 'late', '10.10.0.10')).toBe(true);
    await run(lab.host(2), 'docker', 'rm', '-f', 'early');
    await run(lab.host(2), 'docker', 'restart', '-t', '0', 'box2');
    await until(() => reaches(lab.host(1), 'box1', '10.10.0.20'), { what: 'box2 is back', deadline: 60_000 });
    const refused = await lab.host(2).exec(['weft', 'network', 'create', 'acme/other', '--subnet', '10.11.0.0/16']);
    expect([refused.exitCode, refused.stderr]).toEqual([6, expect.stringContaining('store-away')]);
    await back();
    expect((await endpoints(1)).map(({ addresses }) => addresses[0]).sort()).toEqual(
      ['10.10.0.10/16', '10.10.0.20/16', `${late}/16`].sort(),
    );
  });

  it('brings the containers of its host back after a power cut, and gives no new address', async () => {
    const before = await addressOf('late');
    await run(lab.host(2), 'docker', 'update', '--restart', 'always', 'late');
    await away();
    await lab.host(2).powerCycle();
    await until(() => reaches(lab.host(1), 'box1', '10.10.0.20'), { what: 'box2 is back', deadline: 60_000 });
    const addresses = async () => [await addressOf('box2'), await addressOf('late')];
    await until(async () => !(await addresses()).includes(''), { what: 'both are back', deadline: 60_000 });
    expect(await addresses()).toEqual(['10.10.0.20', before]);
    expect(await reaches(lab.host(2), 'late', '10.10.0.10')).toBe(true);
    const options = ['--name', 'new', '--network', 'web'];
    const refused = await lab.host(2).exec(['docker', 'run', '--rm', ...options, 'box', 'true'], { timeout: 30_000 });
    expect([refused.exitCode, refused.stderr]).toEqual([125, expect.stringContaining('etcd')]);
    await back();
    await run(lab.host(2), 'docker', 'run', '--rm', '--network', 'web', 'box', 'true');
  });
});

/** host2 runs what passes for a later version (src/next-version.ts), host1 today's. */
describe('weftd beside the next version of itself', () => {
  const NEXT = { WEFT_TEST: '1', WEFT_LEVEL: '2' };
  const record = async (key: string) =>
    JSON.parse(await etcdctl(lab.host(1), 'get', '--print-value-only', `/weft/v1/${key}`)) as Record<string, unknown>;
  const createNext = (name: string, third: number) =>
    lab
      .host(2)
      .exec(['weft', 'network', 'create', `acme/${name}`, '--subnet', `10.${third}.0.0/16`, '--label', 'next=yes']);

  it('goes on, loses nothing that it does not know, and keeps new features waiting for itself', async () => {
    const [one, two] = [lab.host(1), lab.host(2)];
    await two.kill('weftd');
    await setClock(two, 0);
    await two.start('weftd', undefined, { ...NEXT, ...CLOCK_ENVIRONMENT });
    const web = (await json<{ id: string }>(one, 'weft', 'network', 'inspect', 'acme/web')).id;
    const marked = async (key: string) => (await record(key)).next !== undefined;
    await until(() => marked(`networks/${web}`), { what: 'the later version writes its field', deadline: 30_000 });
    expect((await storeKeys(lab)).filter((key) => key.startsWith('next/'))).toHaveLength(1);

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
    const [one, two] = [lab.host(1), lab.host(2)];
    const clocks = async () => (await doctor(one)).findings.map(({ code, node, object }) => [code, node, object]);
    await setClock(two, -60);
    const off = ['clock-offset', 'host2', 'the clock of host2'];
    await until(async () => isDeepStrictEqual(await clocks(), [off]), { what: 'the finding', deadline: 30_000 });
    await setClock(two, 0);
    await until(async () => (await clocks()).length === 0, { what: 'nothing to be found', deadline: 30_000 });
  });

  it('is of the next level once every node is, and then refuses to start as what it was', async () => {
    const [one, two] = [lab.host(1), lab.host(2)];
    await one.kill('weftd');
    await one.start('weftd', undefined, NEXT);
    await until(async () => (await json<StatusView>(two, 'weft', 'status')).level === 2, {
      what: 'the level rises',
      deadline: 30_000,
    });
    expect(await createNext('later', 12)).toMatchObject({ exitCode: 0 });
    await one.kill('weftd');
    await expect(one.start('weftd')).rejects.toThrow(/state-newer/);
    expect(await one.logs('weftd')).toMatch(/next: install weft \S+-level\.2 here, as on host2/);
    expect(await reaches(two, 'box2', '10.10.0.10')).toBe(true);
    await one.start('weftd', undefined, NEXT);
    expect(await reaches(one, 'box1', '10.10.0.20')).toBe(true);
  });
});
