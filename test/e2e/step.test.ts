/** Networks made once are in every engine, and every container is in sight, on three hosts with real Docker engines. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { labDown, labUp } from '../../src/lab/lab.ts';
import type { ExecResult, Lab } from '../../src/lab/lab.ts';
import { engineGet } from '../support/engine-api.ts';
import { until } from '../support/until.ts';

const LAB = `step-${process.pid}`;
const ALL = [1, 2, 3];
let lab: Lab;

beforeAll(async () => {
  lab = await labUp({ name: LAB, hosts: 3, engine: 'docker' });
  await weft(1, 'tenant', 'create', 'acme');
  await forgetNetworks(2);
});
afterAll(() => labDown(LAB));

/** An engine that lost its records, as after a restored disk: it knows neither the network nor the container's endpoint. */
async function forgetNetworks(host: number): Promise<void> {
  const names = ['-o', 'tenant=acme', '-o', 'network=lost', '--ipam-opt', 'tenant=acme', '--ipam-opt', 'network=lost'];
  await docker(host, 'network', 'create', '-d', 'weft', '--ipam-driver', 'weft', ...names, 'lost');
  await docker(host, 'run', '-d', '--name', 'forgotten', '--network', 'lost', 'box', 'sleep', '600');
  await lab.host(host).kill('dockerd');
  expect((await tryOn(host, 'rm', '/var/lib/docker/network/files/local-kv.db')).exitCode).toBe(0);
  await lab.host(host).start('dockerd');
  expect(await json<unknown[]>(host, 'endpoint', 'ls', '-t', 'acme')).toHaveLength(1);
}

const tryOn = (host: number, ...command: string[]): Promise<ExecResult> => lab.host(host).exec(command);

async function docker(host: number, ...command: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await tryOn(host, 'docker', ...command);
  expect(exitCode, `docker ${command.join(' ')} on host${host}: ${stderr}`).toBe(0);
  return stdout.trim();
}

async function weft(host: number, ...command: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await tryOn(host, 'weft', ...command);
  expect(exitCode, `weft ${command.join(' ')} on host${host}: ${stderr}`).toBe(0);
  return stdout.trim();
}

async function json<T>(host: number, ...command: string[]): Promise<T> {
  return JSON.parse((await tryOn(host, 'weft', ...command, '-o', 'json')).stdout) as T;
}

const networksIn = async (host: number): Promise<string[]> =>
  (await docker(host, 'network', 'ls', '--filter', 'driver=weft', '--format', '{{.Name}}')).split('\n').filter(Boolean);

const inEngines = (name: string, hosts = ALL) =>
  until(async () => (await Promise.all(hosts.map(networksIn))).every((names) => names.includes(name)), {
    what: `${name} to be in the engines of hosts ${hosts.join(', ')}`,
  });

const goneFromEngines = (name: string) =>
  until(async () => (await Promise.all(ALL.map(networksIn))).every((names) => !names.includes(name)), {
    what: `${name} to be gone from the engines`,
  });

interface Seen {
  name: string;
  network: string;
  node: string;
  addresses: string[];
  labels: Record<string, string>;
  engine: { container: { name: string; image: string; project: string } | null };
}

const seen = async (host: number) =>
  (await json<Seen[]>(host, 'endpoint', 'ls', '-A')).filter(({ network }) => network !== 'lost');
const every = (patterns: RegExp[], text: string) => patterns.every((pattern) => pattern.test(text));
const names = (endpoints: Seen[]) => endpoints.map(({ engine }) => engine.container?.name ?? '').sort();

interface EngineNetwork {
  Driver: string;
  Labels: Record<string, string>;
}

/** From each engine itself: a command takes longer than what is to be seen. */
const shownBy = async (name: string): Promise<EngineNetwork[]> => {
  const shown = await Promise.all(lab.hosts.map((host) => engineGet<EngineNetwork>(host, `/networks/${name}`)));
  return shown.filter((network) => network !== undefined);
};

describe('a network made by name', () => {
  test('is in every engine, used at once, and gone everywhere when it is deleted', async () => {
    await weft(1, 'network', 'create', 'acme/web', '--subnet', '10.5.0.0/16', '--subnet', 'fd00:5::/64');
    await until(async () => (await shownBy('acme.web')).length === 3, { what: 'it in all engines', deadline: 2_000 });
    const web = await json<{ id: string }>(1, 'network', 'inspect', 'acme/web');
    for (const { Driver, Labels } of await shownBy('acme.web')) {
      expect([Driver, Labels]).toMatchObject(['weft', { 'weft.network': web.id, 'weft.name': 'acme/web' }]);
    }
    // made on host1, used on host3 at once
    await docker(3, 'run', '-d', '--name', 'three', '--network', 'acme.web', 'box', 'sleep', '600');
    await docker(1, 'run', '-d', '--name', 'one', '--network', 'acme.web', '--ip', '10.5.0.9', 'box', 'sleep', '600');
    await docker(2, 'run', '-d', '--name', 'two', '--network', 'acme.web', 'box', 'sleep', '600');
    for (const [host, from] of [
      [2, 'two'],
      [3, 'three'],
    ] as const) {
      const ping = ['docker', 'exec', from, 'ping', '-c1', '-W1', '10.5.0.9'];
      await until(async () => (await tryOn(host, ...ping)).exitCode === 0, { what: `${from} to reach one` });
    }
    const everything = [
      /^ENDPOINT +ADDRESSES +NODE +ENGINE +CONTAINER +STATE +AGE$/m,
      /^acme\/web\/docker-\S+ +10\.5\.0\.9\/16,fd00:5::\S+\/64 +host1 +docker +one +ready +\d+s$/m,
      /^acme\/web\/docker-\S+ +10\.5\.\S+\/16,fd00:5::\S+\/64 +host2 +docker +two +ready +\d+s$/m,
      /^acme\/web\/docker-\S+ +10\.5\.\S+\/16,fd00:5::\S+\/64 +host3 +docker +three +ready +\d+s$/m,
    ];
    for (const host of ALL) {
      const list = () => weft(host, 'endpoint', 'ls', '-A');
      await until(async () => every(everything, await list()), { what: `all three to be in sight of host${host}` });
    }

    const refused = await tryOn(2, 'weft', 'network', 'delete', 'acme/web');
    expect(refused.exitCode).toBe(4);
    expect(refused.stderr).toMatch(/error network-in-use: acme\/web has container "(one|two|three)".* and 2 more/);
    expect(await networksIn(1)).toContain('acme.web');

    await docker(1, 'rm', '-f', 'one');
    await docker(2, 'rm', '-f', 'two');
    await docker(3, 'rm', '-f', 'three');
    await weft(2, 'network', 'delete', 'acme/web');
    await goneFromEngines('acme.web');
    const left = await json<{ name: string }[]>(1, 'network', 'ls', '-A');
    // on a busy machine the one that its engine forgot has been collected by now
    expect(left.filter(({ name }) => name !== 'lost')).toEqual([]);
  });

  test('is extended while containers run on it, which reach those of the new subnet on both hosts', async () => {
    const run = (host: number, name: string) =>
      tryOn(host, 'docker', 'run', '-d', '--name', name, '--network', 'acme.full', 'box', 'sleep', '600');
    const address = (host: number, name: string) =>
      docker(host, 'inspect', '-f', '{{(index .NetworkSettings.Networks "acme.full").IPAddress}}', name);
    const pings = async (host: number, name: string, to: string) =>
      (await tryOn(host, 'docker', 'exec', name, 'ping', '-c1', '-W1', to)).exitCode === 0;
    await weft(1, 'network', 'create', 'acme/full', '--subnet', '10.6.0.0/29', '--reserve', '10.6.0.4/30');
    await inEngines('acme.full');
    for (const host of [1, 2]) expect((await run(host, `old${host}`)).stderr).toBe('');
    const refused = await run(2, 'new2');
    expect(refused.stderr).toMatch(/acme\/full.*weft network extend acme\/full --subnet/s);
    await docker(2, 'rm', '-f', 'new2');

    await weft(1, 'network', 'extend', 'acme/full', '--subnet', '10.7.0.0/24');
    for (const host of [1, 2]) expect((await run(host, `new${host}`)).stderr).toBe('');
    const [old1, old2, new1, new2] = await Promise.all([
      address(1, 'old1'),
      address(2, 'old2'),
      address(1, 'new1'),
      address(2, 'new2'),
    ]);
    expect([new1, new2]).toEqual([expect.stringMatching(/^10\.7\.0\./), expect.stringMatching(/^10\.7\.0\./)]);
    for (const [host, name, to] of [
      [1, 'old1', new1],
      [1, 'old1', new2],
      [2, 'new2', old1],
      [2, 'old2', new1],
      [1, 'new1', old2],
      [1, 'new1', new2],
    ] as const) {
      await until(() => pings(host, name, to), { what: `${name} to reach ${to}`, every: 100 });
    }
    // A container that starts again gets an address of the new subnet as well, where the old one is full.
    await docker(1, 'restart', '-t', '0', 'new1');
    const again = await address(1, 'new1');
    await until(() => pings(2, 'old2', again), { what: `old2 to reach new1 again, at ${again}`, every: 100 });
    const { stdout } = await tryOn(1, 'weft', 'network', 'ls', '-t', 'acme');
    expect(stdout).toMatch(/acme\/full +10\.6\.0\.0\/29,10\.7\.0\.0\/24 +2\/2 \(100%\),/);
    await weft(1, 'network', 'delete', 'acme/full', '--force');
    await goneFromEngines('acme.full');
    for (const host of [1, 2]) await docker(host, 'rm', '-f', `old${host}`, `new${host}`);
  });

  test('is deleted by force with its containers disconnected, which are named', async () => {
    await weft(1, 'network', 'create', 'acme/doomed');
    await inEngines('acme.doomed');
    await docker(2, 'run', '-d', '--name', 'victim', '--network', 'acme.doomed', 'box', 'sleep', '600');
    await until(async () => names(await seen(1)).includes('victim'), { what: 'the victim to be in sight' });
    const { exitCode, stderr } = await tryOn(1, 'weft', 'network', 'delete', 'acme/doomed', '--force');
    expect([exitCode, stderr]).toEqual([0, expect.stringMatching(/^disconnecting victim \(.*\) on host2\n$/)]);
    await goneFromEngines('acme.doomed');
    expect(await docker(2, 'inspect', '-f', '{{.State.Running}}', 'victim')).toBe('true');
    await docker(2, 'rm', '-f', 'victim');
    expect(await seen(1)).toEqual([]);
  });

  test('stays away from a host where a user removed it, until it is offered again', async () => {
    await weft(1, 'network', 'create', 'acme/shy');
    await inEngines('acme.shy');
    await docker(2, 'network', 'rm', 'acme.shy');
    interface Status {
      networks: { network: string; state: string; next: string }[];
    }
    const stateOn2 = async () => {
      const [engine] = await json<Status[]>(1, 'docker', 'status', '--node', 'host2');
      return engine?.networks.find(({ network }) => network === 'acme/shy');
    };
    expect(await stateOn2()).toMatchObject({ state: 'declined', next: 'weft docker sync acme/shy' });
    // weftd's restart looks at everything anew, and must not bring it back
    await lab.host(2).kill('weftd');
    await lab.host(2).start('weftd');
    await weft(1, 'network', 'create', 'acme/marker');
    await inEngines('acme.marker');
    expect(await networksIn(2)).not.toContain('acme.shy');
    await weft(2, 'docker', 'sync', 'acme/shy');
    await inEngines('acme.shy', [2]);
    await weft(1, 'network', 'delete', 'acme/shy');
    await weft(1, 'network', 'delete', 'acme/marker');
  });

  test('meets a foreign network of its name: reported, left alone, taken over when that is gone', async () => {
    await docker(2, 'network', 'create', 'acme.clash');
    await weft(1, 'network', 'create', 'acme/clash');
    await inEngines('acme.clash', [1]);
    await until(async () => (await tryOn(1, 'weft', 'docker', 'status')).stdout.includes('clash'), {
      what: 'a report',
    });
    const status = await tryOn(1, 'weft', 'docker', 'status', '--node', 'host2');
    expect(status.exitCode).toBe(10);
    expect(status.stdout).toMatch(/host2 +acme\/clash +acme\.clash +clash +a bridge network .* has that name/);
    await docker(2, 'network', 'rm', 'acme.clash');
    await inEngines('acme.clash', [2]);
    await weft(1, 'network', 'delete', 'acme/clash');
  });

  test('reaches an engine that was down when it was made, and one that was down when it went', async () => {
    await weft(1, 'network', 'create', 'acme/before');
    await inEngines('acme.before');
    await lab.host(2).kill('dockerd');
    await weft(1, 'network', 'delete', 'acme/before');
    await weft(1, 'network', 'create', 'acme/after');
    await lab.host(2).start('dockerd');
    await inEngines('acme.after');
    await goneFromEngines('acme.before');
    await weft(1, 'network', 'delete', 'acme/after');
  });
});

describe('a network of one engine’s own making', () => {
  test('stays with that engine until it is adopted', async () => {
    const names = ['-o', 'tenant=acme', '-o', 'network=own', '--ipam-opt', 'tenant=acme', '--ipam-opt', 'network=own'];
    await docker(1, 'network', 'create', '-d', 'weft', '--ipam-driver', 'weft', ...names, 'mine');
    expect(await weft(1, 'docker', 'status', '--node', 'host1')).toMatch(/acme\/own .* own /);
    await weft(1, 'docker', 'adopt', 'acme/own');
    await inEngines('acme.own');
    await docker(1, 'network', 'rm', 'mine');
    await weft(1, 'network', 'delete', 'acme/own');
    await goneFromEngines('acme.own');
  });
});

describe('containers in sight', () => {
  test('bear name, image, project and labels, and follow a rename', async () => {
    await weft(1, 'network', 'create', 'acme/web');
    await inEngines('acme.web');
    const labels = [
      '--label',
      'com.docker.compose.project=shop',
      '--label',
      'weft.label.app=db',
      '--label',
      'tier=back',
    ];
    await docker(1, 'create', '--name', 'db', '--network', 'acme.web', ...labels, 'box', 'sleep', '600');
    await docker(1, 'start', 'db');
    await until(async () => names(await seen(2)).includes('db'), { what: 'the container to be in sight' });
    const [endpoint] = await seen(2);
    expect(endpoint?.engine.container).toMatchObject({ name: 'db', image: 'box', project: 'shop' });
    expect(endpoint?.labels).toMatchObject({ app: 'db', tier: 'back' });
    await docker(1, 'rename', 'db', 'db-renamed');
    await until(async () => names(await seen(2)).includes('db-renamed'), { what: 'the new name to be in sight' });
  });

  test('are followed from a third host as they come, are renamed, relabelled and go', async () => {
    const watch = await lab.host(3).spawn(['weft', 'endpoint', 'ls', '-A', '--watch', '-o', 'json']);
    const events = await lab.host(2).spawn(['weft', 'events', '--kind', 'endpoint', '--initial', '-o', 'json']);
    const told = { watch: '', events: '' };
    watch.stdout.on('data', (chunk: Buffer) => (told.watch += chunk.toString()));
    events.stdout.on('data', (chunk: Buffer) => (told.events += chunk.toString()));
    const both = (part: RegExp, what: string) =>
      until(() => part.test(told.watch) && part.test(told.events), { what: `${what} to be told`, deadline: 30_000 });
    await both(/"db-renamed"/, 'what is there');
    await docker(1, 'run', '-d', '--name', 'guest', '--network', 'acme.web', 'box', 'sleep', '600');
    await both(/"guest"/, 'the guest');
    await docker(1, 'rename', 'guest', 'resident');
    await both(/"resident"/, 'its new name');
    const resident = (await seen(1)).find(({ engine }) => engine.container?.name === 'resident');
    await weft(1, 'endpoint', 'label', `acme/web/${resident?.name ?? ''}`, 'shift=night');
    await both(/"shift": ?"night"/, 'its new label');
    await docker(1, 'rm', '-f', 'resident');
    await both(/"removed"/, 'its end');
    expect((await watch.kill('INT')).exitCode).toBe(0);
    expect((await events.kill('INT')).exitCode).toBe(0);
  });

  test('labels given at the attach win over the container’s', async () => {
    await docker(1, 'run', '-d', '--name', 'late', '--label', 'app=plain', '--label', 'x=y', 'box', 'sleep', '600');
    await docker(1, 'network', 'connect', '--driver-opt', 'weft.label.app=chosen', 'acme.web', 'late');
    await until(async () => names(await seen(2)).includes('late'), { what: 'the container to be in sight' });
    const late = (await seen(2)).find(({ engine }) => engine.container?.name === 'late');
    expect(late?.labels).toEqual({ app: 'chosen', x: 'y' });
  });

  test('records of an engine that forgot them are collected after their grace', async () => {
    // forgotten in the beginning, while other things were tested
    const left = async () => (await json<{ name: string }[]>(1, 'network', 'ls', '-A')).map(({ name }) => name);
    await until(async () => !(await left()).includes('lost'), { what: 'the leak to be collected', deadline: 120_000 });
    expect(await json<unknown[]>(1, 'endpoint', 'ls', '-A', '--network', 'lost')).toEqual([]);
  }, 150_000);
});
