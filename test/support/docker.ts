/** What a user types at a host of a lab, and the questions tests ask of the answers. */
import { expect } from 'vitest';
import type { Lab, LabHost } from '../../src/lab/lab.ts';

/** stdout of a command that must succeed. */
export async function run(host: LabHost, ...command: string[]): Promise<string> {
  const result = await host.exec(command, { timeout: 60_000 });
  if (result.exitCode !== 0) {
    throw new Error(`${host.name}: ${command.join(' ')}: exit ${result.exitCode}: ${result.stderr}${result.stdout}`);
  }
  return result.stdout.trim();
}

export async function json<T>(host: LabHost, ...command: string[]): Promise<T> {
  return JSON.parse(await run(host, ...command, '-o', 'json')) as T;
}

export interface DockerNetwork {
  tenant: string;
  network?: string;
  subnets?: string[];
  /** the engine's own name */
  name: string;
  more?: string[];
}

export async function createDockerNetwork(host: LabHost, wish: DockerNetwork): Promise<void> {
  const names = [`tenant=${wish.tenant}`, `network=${wish.network ?? 'web'}`];
  const subnets = wish.subnets ?? ['10.10.0.0/16'];
  await run(
    host,
    ...['docker', 'network', 'create', '-d', 'weft', '--ipam-driver', 'weft'],
    ...names.flatMap((name) => ['--ipam-opt', name, '-o', name]),
    ...subnets.flatMap((subnet) => ['--subnet', subnet]),
    ...(subnets.some((subnet) => subnet.includes(':')) ? ['--ipv6'] : []),
    ...(wish.more ?? []),
    wish.name,
  );
}

/** Serves TCP on port 9000, IPv4 and IPv6: first a line with its own name, then 1 MB. */
export async function startServer(host: LabHost, name: string, options: string[]): Promise<void> {
  const script = `echo ${name}; head -c 1000000 /dev/zero`;
  await run(
    host,
    ...['docker', 'run', '-d', '--init', '--name', name, ...options, 'box'],
    ...['socat', 'TCP6-LISTEN:9000,ipv6only=0,reuseaddr,fork', `SYSTEM:${script}`],
  );
}

/** Who answers at the address, once the whole of its 1 MB has come. */
export async function whoAnswers(host: LabHost, container: string, address: string): Promise<string> {
  const target = address.includes(':') ? `TCP6:[${address}]:9000` : `TCP4:${address}:9000`;
  const script = `socat -u "${target},connect-timeout=3,retry=10,interval=0.2" - > /tmp/got; head -n 1 /tmp/got; wc -c < /tmp/got`;
  const [name = '', size = ''] = (await run(host, 'docker', 'exec', container, 'sh', '-c', script)).split('\n');
  expect(Number(size)).toBe(1_000_000 + name.length + 1);
  return name;
}

export async function reaches(
  host: LabHost,
  container: string,
  address: string,
  options: string[] = [],
): Promise<boolean> {
  const ping = ['docker', 'exec', container, 'ping', '-c', '1', '-W', '2', ...options, address];
  return (await host.exec(ping, { timeout: 30_000 })).exitCode === 0;
}

export async function inTenant(host: LabHost, tenant: string, ...command: string[]): Promise<string> {
  return await run(host, 'nsenter', `--net=/run/weft/netns/${tenant}`, ...command);
}

/** On the host that runs the lab's etcd. */
export async function etcdctl(host: LabHost, ...command: string[]): Promise<string> {
  const pki = '/var/lib/weft/pki';
  return await run(
    host,
    ...['env', 'ETCDCTL_API=3', 'etcdctl', '--endpoints=https://127.0.0.1:2379'],
    ...[`--cacert=${pki}/ca.crt`, `--cert=${pki}/client.crt`, `--key=${pki}/client.key`],
    ...command,
  );
}

/** Keys in the cluster's etcd, without weft's prefix. */
export async function storeKeys(lab: Lab): Promise<string[]> {
  const out = await etcdctl(lab.host(1), 'get', '--prefix', '--keys-only', '/weft/v1/');
  return out.split('\n').flatMap((line) => (line.startsWith('/weft/v1/') ? [line.slice('/weft/v1/'.length)] : []));
}

/** What of weft stands on a host: links, namespaces, rulesets. */
export async function leftovers(host: LabHost): Promise<string[]> {
  const script = `ls /run/weft/netns 2>/dev/null; ip -br link | grep -E '^w[bxecu]' ; nft list tables | grep weft`;
  return (await host.exec(['sh', '-c', script])).stdout.split('\n').filter((line) => line !== '');
}
