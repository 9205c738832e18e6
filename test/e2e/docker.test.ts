/** Containers of three real Docker engines on networks of weft, driven by the docker command alone. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { labDown, labUp } from '../../src/lab/lab.ts';
import type { ExecResult, Lab } from '../../src/lab/lab.ts';
import { until } from '../support/until.ts';

const LAB = `docker-${process.pid}`;
const SUBNETS = ['--subnet', '10.10.0.0/16', '--ipv6', '--subnet', 'fd00:10::/64'];
let lab: Lab;

beforeAll(async () => {
  lab = await labUp({ name: LAB, hosts: 3, engine: 'docker' });
});
afterAll(() => labDown(LAB));

/** A container or network that one test leaves must not be in the next one's way. */
afterEach(async () => {
  for (const host of lab.hosts) {
    const ids = (await host.exec(['docker', 'ps', '-aq'])).stdout.split('\n').filter((id) => id !== '');
    if (ids.length > 0) await host.exec(['docker', 'rm', '-f', ...ids]);
    const networks = await host.exec(['docker', 'network', 'ls', '-q', '--filter', 'driver=weft']);
    const left = networks.stdout.split('\n').filter((id) => id !== '');
    if (left.length > 0) await host.exec(['docker', 'network', 'rm', ...left]);
    // Docker makes it by itself, and keeps it, as soon as one container seems to have no way out.
    const names = (await host.exec(['docker', 'network', 'ls', '--format', '{{.Name}}'])).stdout;
    expect(names).not.toContain('docker_gwbridge');
  }
});

function tryDocker(host: number, ...command: string[]): Promise<ExecResult> {
  return lab.host(host).exec(['docker', ...command]);
}

async function docker(host: number, ...command: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await tryDocker(host, ...command);
  expect(exitCode, `docker ${command.join(' ')} on host${host}: ${stderr}`).toBe(0);
  return stdout.trim();
}

async function weft<T>(host: number, ...command: string[]): Promise<T> {
  const { exitCode, stdout, stderr } = await lab.host(host).exec(['weft', ...command, '-o', 'json']);
  expect(exitCode, `weft ${command.join(' ')}: ${stderr}`).toBe(0);
  return JSON.parse(stdout) as T;
}

function createNetwork(host: number, tenant: string, ...options: string[]): Promise<string> {
  const names = ['-o', `tenant=${tenant}`, '-o', 'network=web', '--ipam-opt', `tenant=${tenant}`];
  const flags = [...names, '--ipam-opt', 'network=web', ...SUBNETS, ...options];
  return docker(host, 'network', 'create', '-d', 'weft', '--ipam-driver', 'weft', ...flags, `${tenant}-web`);
}

function run(host: number, name: string, network: string, ...options: string[]): Promise<string> {
  return docker(host, 'run', '-d', '--name', name, '--network', network, ...options, 'box', 'sleep', '600');
}

async function pings(host: number, container: string, address: string): Promise<boolean> {
  const { exitCode } = await tryDocker(host, 'exec', container, 'ping', '-c', '1', '-W', '1', address);
  return exitCode === 0;
}

const reaches = (host: number, container: string, address: string) =>
  until(() => pings(host, container, address), { what: `${container} to reach ${address}`, every: 100 });

async function addressesOf(host: number, container: string, network: string): Promise<[string, string]> {
  const format = `{{with index .NetworkSettings.Networks "${network}"}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}`;
  const [v4 = '', v6 = ''] = (await docker(host, 'inspect', '-f', format, container)).split(' ');
  return [v4, v6];
}

/** Names of the containers' endpoints that weft still knows. */
async function endpoints(tenant: string): Promise<unknown[]> {
  return weft<unknown[]>(1, 'endpoint', 'ls', '-t', tenant);
}

describe('one network on three hosts', () => {
  test('carries both families between the hosts, full-size packets too', async () => {
    const names = ['one', 'two', 'three'];
    for (const [i, name] of names.entries()) {
      await createNetwork(i + 1, 'acme');
      await run(i + 1, name, 'acme-web');
    }
    for (const [i, name] of names.entries()) {
      const [v4, v6] = await addressesOf(i + 1, name, 'acme-web');
      expect([v4, v6]).toEqual([expect.stringMatching(/^10\.10\./), expect.stringMatching(/^fd00:10::/)]);
      for (const [j, from] of names.entries()) {
        if (i === j) continue;
        await reaches(j + 1, from, v4);
        await reaches(j + 1, from, v6);
      }
    }
    const [v4, v6] = await addressesOf(3, 'three', 'acme-web');
    const mtu = Number(await docker(1, 'exec', 'one', 'cat', '/sys/class/net/eth0/mtu'));
    const probe = ['exec', 'one', 'ping', '-c', '1', '-W', '1', '-M', 'do', '-s'];
    await docker(1, ...probe, String(mtu - 28), v4);
    await docker(1, ...probe, String(mtu - 48), v6);
    expect((await tryDocker(1, ...probe, String(mtu - 27), v4)).exitCode).not.toBe(0);
  });

  test('gives the address asked for, once in the whole cluster', async () => {
    await createNetwork(1, 'acme');
    await createNetwork(2, 'acme');
    await run(1, 'one', 'acme-web', '--ip', '10.10.7.7', '--ip6', 'fd00:10::7');
    expect(await addressesOf(1, 'one', 'acme-web')).toEqual(['10.10.7.7', 'fd00:10::7']);
    const again = await tryDocker(2, 'run', '--network', 'acme-web', '--ip', '10.10.7.7', 'box', 'true');
    expect(again.exitCode).not.toBe(0);
    expect(again.stderr).toMatch(/10\.10\.7\.7.*address-taken/);
    const mac = '02:11:22:33:44:55';
    await run(2, 'two', 'acme-web', '--mac-address', mac);
    expect(await docker(2, 'exec', 'two', 'cat', '/sys/class/net/eth0/address')).toBe(mac);
    await reaches(2, 'two', '10.10.7.7');
  });

  test('lets a running container come and go', async () => {
    await createNetwork(1, 'acme');
    await createNetwork(2, 'acme');
    await run(1, 'one', 'acme-web', '--ip', '10.10.0.50');
    await run(2, 'two', 'none');
    await docker(2, 'network', 'disconnect', 'none', 'two');
    await docker(2, 'network', 'connect', 'acme-web', 'two');
    await reaches(2, 'two', '10.10.0.50');
    expect(await endpoints('acme')).toHaveLength(2);
    await docker(2, 'network', 'disconnect', 'acme-web', 'two');
    expect((await tryDocker(2, 'exec', 'two', 'cat', '/sys/class/net/eth0/mtu')).exitCode).not.toBe(0);
    expect(await endpoints('acme')).toHaveLength(1);
  });

  test('has containers again after a restart of theirs', async () => {
    await createNetwork(1, 'acme');
    await createNetwork(2, 'acme');
    await run(1, 'one', 'acme-web', '--ip', '10.10.0.50');
    await run(2, 'two', 'acme-web');
    await docker(1, 'restart', '-t', '0', 'one');
    expect((await addressesOf(1, 'one', 'acme-web'))[0]).toBe('10.10.0.50');
    await reaches(2, 'two', '10.10.0.50');
    expect(await endpoints('acme')).toHaveLength(2);
  });

  test('is gone from the cluster with its last binding', async () => {
    await createNetwork(1, 'acme');
    await createNetwork(2, 'acme');
    await run(1, 'one', 'acme-web');
    expect((await tryDocker(1, 'network', 'rm', 'acme-web')).exitCode).not.toBe(0);
    await docker(1, 'rm', '-f', 'one');
    expect(await endpoints('acme')).toEqual([]);
    await docker(1, 'network', 'rm', 'acme-web');
    expect(await weft<unknown[]>(1, 'network', 'ls', '-t', 'acme')).toHaveLength(1);
    await docker(2, 'network', 'rm', 'acme-web');
    await until(async () => (await weft<unknown[]>(1, 'network', 'ls', '-A')).length === 0, {
      what: 'no network left',
    });
  });
});

describe('what is asked of a network', () => {
  test('may be nothing: a subnet is chosen, in the tenant default', async () => {
    await docker(1, 'network', 'create', '-d', 'weft', '--ipam-driver', 'weft', 'plain');
    await run(1, 'one', 'plain');
    await run(1, 'two', 'plain');
    const [v4] = await addressesOf(1, 'two', 'plain');
    await reaches(1, 'one', v4);
    const networks = await weft<{ tenant: string; name: string }[]>(1, 'network', 'ls', '-A');
    expect(networks).toEqual([
      expect.objectContaining({ tenant: 'default', name: expect.stringMatching(/^docker-[0-9a-f]{12}$/) as string }),
    ]);
  });

  test('may be a range, reserved addresses, a gateway, an MTU, routes', async () => {
    const more = ['--gateway', '10.10.0.254', '--aux-address', 'router=10.10.7.1', '--ip-range', '10.10.7.0/29'];
    const routes = ['-o', 'routes=10.9.0.0/16=10.10.7.1,fd09::/48=fd00:10::fe'];
    await createNetwork(1, 'acme', ...more, ...routes, '-o', 'mtu=1300');
    await run(1, 'one', 'acme-web');
    const [v4] = await addressesOf(1, 'one', 'acme-web');
    expect(v4).toMatch(/^10\.10\.7\.[02-7]$/);
    const table = await docker(1, 'exec', 'one', 'ip', 'route');
    expect(table).toMatch(/default via 10\.10\.0\.254/);
    expect(table).toMatch(/10\.9\.0\.0\/16 via 10\.10\.7\.1/);
    expect(await docker(1, 'exec', 'one', 'ip', '-6', 'route')).toMatch(/fd09::\/48 via fd00:10::fe/);
    expect(await docker(1, 'exec', 'one', 'cat', '/sys/class/net/eth0/mtu')).toBe('1300');
    expect(
      (await tryDocker(1, 'run', '--rm', '--network', 'acme-web', '--ip', '10.10.7.1', 'box', 'true')).stderr,
    ).toMatch(/10\.10\.7\.1 is reserved.*address-outside/);
  });

  test('may be several subnets of one family', async () => {
    await createNetwork(1, 'acme', '--subnet', '10.20.0.0/16', '-o', 'routes=10.9.0.0/16=10.20.0.254');
    // which of the two docker names first, and gives addresses from, is its own choice at each create
    for (const [name, subnet] of [
      ['one', '10.10'],
      ['two', '10.20'],
    ] as const) {
      await run(1, name, 'acme-web', '--ip', `${subnet}.0.9`);
      const table = await docker(1, 'exec', name, 'ip', 'route');
      expect(table).toContain(`default via ${subnet}.0.1`);
      expect(table.includes('10.9.0.0/16')).toBe(name === 'two');
    }
  });

  test('reaches containers that weft itself attaches: routes too', async () => {
    const names = ['--ipam-opt', 'tenant=acme', '--ipam-opt', 'network=web', '-o', 'routes=10.9.0.0/16=10.10.0.254'];
    const flags = ['--subnet', '10.10.0.0/16', ...names];
    await docker(1, 'network', 'create', '-d', 'weft', '--ipam-driver', 'weft', ...flags, 'acme-web');
    await lab.host(1).exec(['ip', 'netns', 'add', 'by-hand']);
    try {
      await weft(1, 'endpoint', 'attach', 'acme/web', '--netns', '/run/netns/by-hand', '--name', 'hand');
      const { stdout } = await lab.host(1).exec(['ip', '-n', 'by-hand', 'route']);
      expect(stdout).toMatch(/10\.9\.0\.0\/16 via 10\.10\.0\.254 dev eth0/);
      await lab.host(1).exec(['weft', 'endpoint', 'detach', 'acme/web/hand']);
    } finally {
      await lab.host(1).exec(['ip', 'netns', 'delete', 'by-hand']);
    }
  });

  test('is refused where it is not known, and where it differs from what there is', async () => {
    const create = ['network', 'create', '-d', 'weft', '--ipam-driver', 'weft'];
    const misspelt = await tryDocker(1, ...create, '-o', 'tennant=acme', 'x');
    expect(misspelt.stderr).toMatch(/-o tennant.*invalid-argument/);
    await createNetwork(1, 'acme');
    const names = ['--ipam-opt', 'tenant=acme', '--ipam-opt', 'network=web'];
    const other = await tryDocker(2, ...create, ...names, '--subnet', '10.11.0.0/16', 'y');
    expect(other.stderr).toMatch(/acme\/web.*10\.11\.0\.0\/16.*subnet-mismatch/);
    expect(await docker(2, 'network', 'ls', '-q', '--filter', 'driver=weft')).toBe('');
  });

  test('--internal leaves containers no way out, but one to each other', async () => {
    await createNetwork(1, 'acme', '--internal');
    await createNetwork(2, 'acme', '--internal');
    await run(1, 'one', 'acme-web');
    await run(2, 'two', 'acme-web', '--ip', '10.10.0.50');
    await reaches(1, 'one', '10.10.0.50');
    expect(await docker(1, 'exec', 'one', 'ip', 'route')).not.toMatch(/default/);
    expect(await docker(1, 'exec', 'one', 'ls', '/sys/class/net')).toBe('eth0\nlo');
  });

  test('published ports lead in from the other host, and one that is taken fails the run with its holder', async () => {
    await createNetwork(1, 'acme');
    const listed = async () =>
      (await weft<{ hostPort: number }[]>(2, 'port', 'ls', '-t', 'acme')).map(({ hostPort }) => hostPort);
    const serving = ['socat', 'TCP-LISTEN:80,reuseaddr,fork', 'SYSTEM:echo $SOCAT_PEERADDR'];
    const site = ['--name', 'site', '--network', 'acme-web', '-p', '8080-8090:80', '-P', '--expose', '81'];
    await docker(1, 'run', '-d', ...site, 'box', ...serving);
    await until(async () => (await listed()).length === 2, { what: 'both ports in the other host’s list' });
    expect(await listed()).toContain(8080);
    const client = `socat -T5 -u TCP:${lab.host(1).address4}:8080,connect-timeout=5,retry=30,interval=0.2 -`;
    const seen = await lab.host(2).exec(client.split(' '));
    expect(seen.stdout.trim()).toBe(lab.host(2).address4);
    const refused = await tryDocker(1, 'run', '--rm', '-p', '8080:80', '--network', 'acme-web', 'box', 'true');
    expect(refused.exitCode).not.toBe(0);
    expect(refused.stderr).toMatch(/8080\/tcp is held by acme\/web\/docker-.*port-taken/);
    await docker(1, 'rm', '-f', 'site');
    expect(await endpoints('acme')).toEqual([]);
    const after = await tryDocker(1, 'run', '--rm', '-p', '8080:80', '--network', 'acme-web', 'box', 'true');
    expect(after.stderr).toBe('');
  });

  test('published ports that another network carries stand beside a network of ours', async () => {
    // of two ways out of one family Docker takes the network whose name comes first
    await docker(1, 'network', 'create', 'direct');
    await docker(1, 'network', 'create', '-d', 'weft', '--ipam-driver', 'weft', 'ours');
    try {
      // connected while it runs: at a start Docker takes the networks in any order, and asks the first for the ports
      await run(1, 'one', 'direct', '-p', '8080:80');
      await docker(1, 'network', 'connect', 'ours', 'one');
      const joined = await tryDocker(1, 'exec', 'one', 'ls', '/sys/class/net');
      expect(joined.stdout.split('\n')).toContain('eth1');
      expect(await docker(1, 'port', 'one')).toMatch(/80\/tcp -> .*:8080/);
      await docker(1, 'rm', '-f', 'one');
    } finally {
      await docker(1, 'network', 'rm', 'direct');
    }
    expect(await endpoints('default')).toEqual([]);
  });

  test('published ports of a front network are no matter of an internal one behind it', async () => {
    await docker(1, 'network', 'create', 'front');
    await createNetwork(1, 'acme', '--internal');
    try {
      await docker(1, 'create', '--name', 'one', '--network', 'front', '-p', '8080:80', 'box', 'sleep', '600');
      await docker(1, 'network', 'connect', 'acme-web', 'one');
      await docker(1, 'start', 'one');
      expect(await docker(1, 'port', 'one')).toMatch(/80\/tcp -> .*:8080/);
      expect((await docker(1, 'exec', 'one', 'ls', '/sys/class/net')).split('\n')).toEqual(['eth0', 'eth1', 'lo']);
      await docker(1, 'rm', '-f', 'one');
    } finally {
      await docker(1, 'network', 'rm', 'front');
    }
    expect(await endpoints('acme')).toEqual([]);
  });
});

describe('addresses of weft on a network of another driver', () => {
  const create = (host: number) =>
    docker(
      host,
      'network',
      'create',
      '-d',
      'macvlan',
      '-o',
      'parent=eth0',
      '--ipam-driver',
      'weft',
      '--subnet',
      '10.66.0.0/24',
      'direct',
    );
  const runOn = (host: number) => tryDocker(host, 'run', '-d', '--network', 'direct', 'box', 'sleep', '600');

  test('are refused, with the reason', async () => {
    await create(1);
    try {
      const { exitCode, stderr } = await runOn(1);
      expect(exitCode).not.toBe(0);
      expect(stderr).toMatch(
        /10\.66\.0\.0\/24 belongs to no weft network: another driver.*not-supported.*docker\.ipamOnly/,
      );
    } finally {
      await clear(1);
    }
  });

  test('are given where docker.ipamOnly says so, once in the cluster', async () => {
    const hosts = [1, 2];
    for (const host of hosts) await configure(host, 'docker:\n  ipamOnly: true\n');
    try {
      for (const host of hosts) await create(host);
      const started = await Promise.all([1, 1, 2, 2].map(runOn));
      expect(started.map(({ stderr }) => stderr).join('')).not.toMatch(/not-supported/);
      const given = await Promise.all(hosts.map((host) => containerAddresses(host)));
      expect(new Set(given.flat()).size).toBe(4);
    } finally {
      for (const host of hosts) await clear(host);
      for (const host of hosts) await configure(host, '');
    }
  });

  /** The lab's own settings, and these beside them. */
  async function configure(host: number, more: string): Promise<void> {
    const script = 'f=/etc/weft/weft.yaml; [ -f $f.lab ] || cp $f $f.lab; { cat $f.lab; printf "$1"; } > $f';
    await lab.host(host).exec(['sh', '-c', script, 'sh', more]);
    await lab.host(host).kill('weftd');
    await lab.host(host).start('weftd');
  }

  async function containerAddresses(host: number): Promise<string[]> {
    const format = '{{range .Containers}}{{.IPv4Address}} {{end}}';
    return (await docker(host, 'network', 'inspect', '-f', format, 'direct')).split(' ').filter(Boolean);
  }

  async function clear(host: number): Promise<void> {
    const ids = (await docker(host, 'ps', '-aq')).split('\n').filter(Boolean);
    if (ids.length > 0) await docker(host, 'rm', '-f', ...ids);
    await docker(host, 'network', 'rm', 'direct');
  }
});

describe('two tenants with one subnet', () => {
  test('have the same addresses on the same hosts and never meet', async () => {
    for (const tenant of ['acme', 'beta']) {
      await createNetwork(1, tenant);
      await createNetwork(3, tenant);
      await run(1, `${tenant}-1`, `${tenant}-web`, '--ip', '10.10.0.11');
      await run(3, `${tenant}-3`, `${tenant}-web`, '--ip', '10.10.0.12');
    }
    await run(3, 'beta-4', 'beta-web', '--ip', '10.10.0.13');
    for (const tenant of ['acme', 'beta']) {
      await reaches(1, `${tenant}-1`, '10.10.0.12');
      await docker(3, 'exec', '-d', `${tenant}-3`, 'socat', 'TCP-LISTEN:80,reuseaddr,fork', `SYSTEM:echo ${tenant}`);
      const ask = () => tryDocker(1, 'exec', `${tenant}-1`, 'socat', '-T2', '-', 'TCP:10.10.0.12:80,connect-timeout=2');
      await until(async () => (await ask()).exitCode === 0, { what: `the listener of ${tenant}`, every: 100 });
      expect((await ask()).stdout.trim()).toBe(tenant);
    }
    await reaches(1, 'beta-1', '10.10.0.13');
    expect(await pings(1, 'acme-1', '10.10.0.13')).toBe(false);
  });
});
