/**
 * Three hosts with an engine and an etcd member each, and on each two members of one network: `box`, a container that its
 * engine restarts, and `own`, a namespace of a program without an engine, which the host makes and attaches when it boots.
 */
import { labUp } from '../../src/lab/lab.ts';
import type { Lab, LabHost } from '../../src/lab/lab.ts';
import { run } from '../support/docker.ts';
import { until } from '../support/until.ts';

export interface Member {
  /** unique in the cluster, and the name of its namespace file on its host */
  name: string;
  kind: 'box' | 'own';
  host: number;
  address: string;
}

export interface World {
  lab: Lab;
  members: readonly Member[];
}

export const NETWORK = 'acme/web';
export const ENGINE_NETWORK = 'acme.web';
const HOSTS = [1, 2, 3];

export function namespaceOf({ name }: Member): string {
  return `/run/netns/${name}`;
}

export async function raiseWorld(name: string): Promise<World> {
  const lab = await labUp({ name, hosts: HOSTS.length, etcd: 3, engine: 'docker' });
  const one = lab.host(1);
  await run(one, 'weft', 'tenant', 'create', 'acme');
  await run(one, 'weft', 'network', 'create', NETWORK, '--subnet', '10.5.0.0/16');
  const hasNetwork = async (host: LabHost) =>
    (await host.exec(['docker', 'network', 'inspect', ENGINE_NETWORK])).exitCode === 0;
  await until(async () => (await Promise.all(lab.hosts.map(hasNetwork))).every(Boolean), {
    what: 'the network to be in every engine',
    deadline: 60_000,
  });
  await Promise.all(lab.hosts.map(keepContainers));
  const members = HOSTS.flatMap((host): Member[] => [
    { name: `box${host}`, kind: 'box', host, address: `10.5.0.${host * 10}` },
    { name: `own${host}`, kind: 'own', host, address: `10.5.0.${host * 10 + 1}` },
  ]);
  const world = { lab, members };
  for (const { name: box, host, address } of members.filter(({ kind }) => kind === 'box')) {
    const options = ['--restart', 'always', '--network', ENGINE_NETWORK, '--ip', address];
    await run(lab.host(host), 'docker', 'run', '-d', '--name', box, ...options, 'box', 'sleep', '100000');
  }
  await Promise.all(HOSTS.map((host) => boot(world, host)));
  return world;
}

/** Every cable in, every daemon running. */
export async function mend({ lab }: World): Promise<void> {
  for (const { name, link, daemons } of await lab.status()) {
    if (link === 'cut') await lab.heal(name);
    for (const daemon of ['etcd', 'weftd', 'dockerd'] as const) {
      if (daemons[daemon] === 'frozen') await lab.host(name).thaw(daemon);
      if (daemons[daemon] === 'stopped') await lab.host(name).start(daemon);
    }
  }
}

/** Containers of an engine that ends live on. */
async function keepContainers(host: LabHost): Promise<void> {
  const edit = `sed -i 's/^{/{ "live-restore": true,/' /etc/docker/daemon.json && kill -HUP "$(cat /run/weft-lab/dockerd.pid)"`;
  await run(host, 'sh', '-c', edit);
}

/** What a host does by itself after its daemons are up. Ends when its members have their addresses. */
export async function boot({ lab, members }: World, number: number): Promise<void> {
  const host = lab.host(number);
  await Promise.all(
    members
      .filter((member) => member.host === number)
      .map((member) => (member.kind === 'own' ? attachOwn(host, member) : nameNamespace(host, member))),
  );
}

async function attachOwn(host: LabHost, member: Member): Promise<void> {
  await run(host, 'ip', 'netns', 'add', member.name);
  const where = ['--netns', namespaceOf(member), '--name', member.name, '--ip', member.address];
  // of the life before: its namespace went with the power
  await host.exec(['weft', 'endpoint', 'detach', `${NETWORK}/${member.name}`]);
  await run(host, 'weft', 'endpoint', 'attach', NETWORK, ...where);
}

async function nameNamespace(host: LabHost, { name }: Member): Promise<void> {
  const inspect = [
    'docker',
    'inspect',
    '-f',
    '{{.State.Pid}} {{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}',
  ];
  let pid = '';
  await until(
    async () => {
      const [found = '0', address = ''] = (await host.exec([...inspect, name])).stdout.trim().split(' ');
      pid = found;
      return pid !== '0' && address !== '';
    },
    { what: `${name} to run`, deadline: 90_000, every: 200 },
  );
  await run(host, 'ip', 'netns', 'attach', name, pid);
}
