/** What an engine's start waits for: stale endpoints that it finds in its records, and a weftd that is late. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { EndpointView } from '../../src/control/port.ts';
import { labDown, labUp } from '../../src/lab/lab.ts';
import type { Lab, LabHost } from '../../src/lab/lab.ts';
import { json, reaches, run } from '../support/docker.ts';
import { engineApi } from '../support/engine-api.ts';
import { standing } from '../support/standing.ts';
import { until } from '../support/until.ts';

const LAB = `start-${process.pid}`;
const SOCKET = '/run/docker/plugins/weft.sock';
let lab: Lab;
let host: LabHost;

beforeAll(async () => {
  lab = await labUp({ name: LAB, hosts: 3, engine: 'docker' });
  host = lab.host(2);
  for (const n of [0, 1, 2]) {
    const wish = { name: `net${n}`, tenant: 'acme', subnet: `10.${50 + n}.0.0/16` };
    for (const one of lab.hosts) await createNetwork(one, wish);
  }
  await createContainer(lab.host(1), 'peer', ['net0', 'net1', 'net2'], 9);
});
afterAll(() => labDown(LAB));

const list = (count: number, prefix: string) => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

interface NetworkWish {
  name: string;
  tenant: string;
  subnet: string;
  internal?: boolean;
}

async function createNetwork(on: LabHost, { name, tenant, subnet, internal = false }: NetworkWish): Promise<void> {
  const options = { tenant, network: name };
  const ipam = { Driver: 'weft', Options: options, Config: [{ Subnet: subnet }] };
  const wish = { Name: name, Driver: 'weft', Internal: internal, Options: options, IPAM: ipam };
  await engineApi(on, 'POST', '/networks/create', wish);
}

/** Runs; with `last`, at address 10.(50+n).0.last of each network. */
async function createContainer(on: LabHost, name: string, networks: string[], last?: number): Promise<void> {
  const at = (i: number) => (last === undefined ? {} : { IPAMConfig: { IPv4Address: `10.${50 + i}.0.${last}` } });
  await engineApi(on, 'POST', `/containers/create?name=${name}`, {
    Image: 'box',
    Cmd: ['sleep', '3600'],
    // a sleep that is pid 1 heeds no other
    StopSignal: 'SIGKILL',
    HostConfig: { NetworkMode: networks[0], RestartPolicy: { Name: last === undefined ? 'no' : 'always' } },
    NetworkingConfig: { EndpointsConfig: { [networks[0]!]: at(0) } },
  });
  for (const [i, network] of networks.entries()) {
    const body = { Container: name, EndpointConfig: at(i) };
    if (i > 0) await engineApi(on, 'POST', `/networks/${network}/connect`, body);
  }
  await engineApi(on, 'POST', `/containers/${name}/start`);
}

const remove = (name: string) => engineApi(host, 'DELETE', `/containers/${name}?force=1`);

const endpoints = async (): Promise<EndpointView[]> =>
  json<EndpointView[]>(lab.host(1), 'weft', 'endpoint', 'ls', '-A', '--node', 'host2');

test(
  '200 stale endpoints are gone when the engine is up, and nothing else of them is left',
  { timeout: 600_000 },
  async () => {
    const before = await standing(lab);
    const [networks, containers] = [list(20, 'stale'), list(10, 'lost')];
    for (const [i, name] of networks.entries()) {
      // without a way out, which would move from network to network as each of them is joined
      const wish = { name, tenant: `beta${i % 5}`, subnet: `10.${100 + i}.0.0/24`, internal: true };
      await createNetwork(host, wish);
    }
    for (const name of containers) await createContainer(host, name, networks);
    expect(await endpoints()).toHaveLength(200);
    await host.kill('dockerd');
    // in the time that a start without any has
    await host.start('dockerd');
    expect(await endpoints()).toEqual([]);
    for (const name of containers) await remove(name);
    for (const network of networks) await engineApi(host, 'DELETE', `/networks/${network}`);
    let now: string[] = [];
    const asBefore = async () => {
      now = await standing(lab);
      return now.join() === before.join();
    };
    await until(asBefore, { what: 'all to be as it was', deadline: 60_000, every: 500 }).catch(() => undefined);
    expect(now).toEqual(before);
  },
);

/** Passes the socket on to a weftd that waits for a word of ours: a host that boots, where weftd comes last. */
async function holdSocket(): Promise<void> {
  await run(host, 'sh', '-c', 'mkdir -p /run/docker/plugins && mkfifo /run/go');
  const late = 'touch /run/asked; read word </run/go; exec weftd >>/var/log/weftd.log 2>&1';
  const activate = ['systemd-socket-activate', '-l', SOCKET, '--fdname=docker', '-E', 'PATH', '-E', 'WEFT_LAB'];
  await host.spawn([...activate, 'sh', '-c', late]);
  const isOpen = async () => (await host.exec(['test', '-S', SOCKET])).exitCode === 0;
  await until(isOpen, { what: 'the socket to be open' });
}

test(
  'an engine that boots before weftd waits for it once, whatever the number of networks',
  { timeout: 600_000 },
  async () => {
    const names = ['boots0', 'boots1'];
    for (const [i, name] of names.entries()) await createContainer(host, name, ['net0', 'net1', 'net2'], 20 + i);
    await host.powerOff();
    await host.powerOn();
    const earlier = (await host.logs('dockerd')).length;
    await holdSocket();
    const isAsked = async () => (await host.exec(['test', '-e', '/run/asked'])).exitCode === 0;
    const letGo = async () => {
      await until(isAsked, { what: 'the engine to call', deadline: 30_000 });
      await run(host, 'sh', '-c', 'echo now >/run/go');
    };
    await Promise.all([host.start('dockerd'), letGo()]);
    for (const name of names) {
      for (const n of [0, 1, 2]) {
        const target = `10.${50 + n}.0.9`;
        await until(() => reaches(host, name, target), {
          what: `${name} to reach ${target}`,
          deadline: 30_000,
          every: 200,
        });
      }
    }
    const seen = (await endpoints()).map(
      (endpoint) => `${endpoint.network} ${endpoint.addresses.join()} ${endpoint.state}`,
    );
    const expected = [0, 1].flatMap((i) => [0, 1, 2].map((n) => `net${n} 10.${50 + n}.0.${20 + i}/16 ready`));
    expect(seen.sort()).toEqual(expected.sort());
    // 1, 2, 4 and 8 s for each network, had it found nobody behind the socket
    expect((await host.logs('dockerd')).slice(earlier)).not.toMatch(/retrying in|Unable to locate plugin/);
  },
);
