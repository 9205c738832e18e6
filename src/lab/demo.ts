/**
 * `npm run demo`: two hosts with real Docker engines, two tenants with one subnet, and checks that would fail if packets
 * went astray. Leaves the lab up. A second run starts afresh.
 */
import { describeCause, WeftError } from '../model/errors.ts';
import { labDown, labExists, labUp } from './lab.ts';
import type { Lab, LabHost } from './lab.ts';
import { OUTSIDE } from './underlay.ts';

/** Another name is for tests, which must not take down the demo that somebody looks at. */
const NAME = process.argv[2] ?? 'demo';
const SUBNET = '10.10.0.0/16';
const TENANTS = ['acme', 'beta'] as const;

async function main(): Promise<void> {
  if (process.getuid?.() !== 0)
    throw new WeftError('not-allowed', 'the demo makes network namespaces', { next: 'sudo npm run demo' });
  if (await labExists(NAME)) {
    step('taking down the demo of before');
    await labDown(NAME);
  }
  step('raising two hosts, each with a Docker engine of its own and weftd');
  const lab = await labUp({
    name: NAME,
    hosts: 2,
    engine: 'docker',
    onProgress: (line) => console.log(`      ${line}`),
  });
  const [one, two] = [lab.host(1), lab.host(2)];

  step(`two tenants, ${TENANTS.join(' and ')}, each with a network web of ${SUBNET}`);
  for (const tenant of TENANTS) {
    for (const host of [one, two]) await createNetwork(host, tenant);
  }

  step('four containers: db and web of each tenant, with the very same addresses');
  for (const tenant of TENANTS) {
    await startContainer(one, tenant, { name: 'db', address: '10.10.0.10' });
    await startContainer(two, tenant, { name: 'web', address: '10.10.0.20' });
    await serveName(one, tenant);
  }

  step('checks');
  for (const tenant of TENANTS) {
    await check(`${tenant}: web on host2 reaches db on host1`, () =>
      succeed(two, ['docker', 'exec', `${tenant}-web`, 'ping', '-c', '3', '-i', '0.2', '-W', '2', '10.10.0.10']),
    );
    await check(`${tenant}: what answers at 10.10.0.10 is ${tenant}'s own db`, async () => {
      const answer = await succeed(two, [
        'docker',
        'exec',
        `${tenant}-web`,
        'socat',
        '-T2',
        '-u',
        'TCP:10.10.0.10:8080,connect-timeout=3,retry=20,interval=0.1',
        '-',
      ]);
      if (answer.trim() !== `db of ${tenant}`) throw new Error(`it said "${answer.trim()}"`);
    });
  }
  await check('beta alone has 10.10.0.30, and acme cannot reach it', async () => {
    await startContainer(one, 'beta', { name: 'secret', address: '10.10.0.30' });
    await succeed(two, ['docker', 'exec', 'beta-web', 'ping', '-c', '1', '-W', '2', '10.10.0.30']);
    const stray = await two.exec(['docker', 'exec', 'acme-web', 'ping', '-c', '2', '-W', '1', '10.10.0.30']);
    if (stray.exitCode === 0) throw new Error('a packet of acme reached beta');
  });
  await check(`acme and beta reach the outside, ${OUTSIDE.ipv4}, from either host`, async () => {
    for (const [host, name] of [
      [one, 'acme-db'],
      [two, 'beta-web'],
    ] as const) {
      await succeed(host, ['docker', 'exec', name, 'ping', '-c', '1', '-W', '2', OUTSIDE.ipv4]);
    }
  });
  await check('a published port of host1 leads to its container from host2, whom the container sees', async () => {
    const answer = 'SYSTEM:echo $SOCAT_PEERADDR';
    await succeed(one, [
      ...['docker', 'run', '-d', '--name', 'acme-site', '--network', 'acme-web', '-p', '8088:80', 'box'],
      ...['socat', 'TCP-LISTEN:80,reuseaddr,fork', answer],
    ]);
    const client = `socat -T2 -u TCP:${one.address4}:8088,connect-timeout=3,retry=20,interval=0.1 -`;
    const seen = await succeed(two, client.split(' '));
    if (seen.trim() !== two.address4) throw new Error(`it was seen as "${seen.trim()}"`);
  });
  await check('weft sees every container of the cluster from either host', async () => {
    const endpoints = JSON.parse(await succeed(two, ['weft', 'endpoint', 'ls', '-A', '-o', 'json'])) as unknown[];
    if (endpoints.length !== 6) throw new Error(`it lists ${endpoints.length} endpoints, not 6`);
  });
  console.log(`\n${await succeed(one, ['weft', 'endpoint', 'ls', '-A'])}`);
  console.log(farewell(lab));
}

async function createNetwork(host: LabHost, tenant: string): Promise<void> {
  const options = [`tenant=${tenant}`, 'network=web'];
  await succeed(host, [
    ...['docker', 'network', 'create', '-d', 'weft', '--ipam-driver', 'weft', '--subnet', SUBNET],
    ...options.flatMap((option) => ['--ipam-opt', option, '-o', option]),
    `${tenant}-web`,
  ]);
}

async function startContainer(
  host: LabHost,
  tenant: string,
  container: { name: string; address: string },
): Promise<void> {
  await succeed(host, [
    ...['docker', 'run', '-d', '--name', `${tenant}-${container.name}`, '--network', `${tenant}-web`],
    ...['--ip', container.address, 'box', 'sleep', '1000000'],
  ]);
}

/** A TCP server in the tenant's db that tells whose it is. */
async function serveName(host: LabHost, tenant: string): Promise<void> {
  const reply = `SYSTEM:echo db of ${tenant}`;
  await succeed(host, ['docker', 'exec', '-d', `${tenant}-db`, 'socat', 'TCP-LISTEN:8080,reuseaddr,fork', reply]);
}

async function succeed(host: LabHost, command: string[]): Promise<string> {
  const result = await host.exec(command, { timeout: 30_000 });
  if (result.exitCode === 0) return result.stdout;
  throw new WeftError(
    'lab-failed',
    `${command.join(' ')}: ${result.stderr.trim() || result.stdout.trim() || `exit ${result.exitCode}`}`,
    {
      host: host.name,
    },
  );
}

async function check(what: string, run: () => Promise<unknown>): Promise<void> {
  try {
    await run();
  } catch (error) {
    throw new WeftError('lab-failed', `check failed: ${what}`, {
      cause: error,
      next: 'npx --no weft lab status --name demo',
    });
  }
  console.log(`      ok  ${what}`);
}

function step(text: string): void {
  console.log(`demo: ${text}`);
}

function farewell(lab: Lab): string {
  const exec = `npx --no weft lab exec --name ${lab.name}`;
  return [
    'The lab is up. Try:',
    `  ${exec} host1 -- weft status`,
    `  ${exec} host2 -- docker exec -it acme-web ping 10.10.0.10`,
    `  ${exec} host1 -- weft network inspect acme/web`,
    `  npx --no weft lab cut --name ${lab.name} host2     # pull the cable; heal puts it back`,
    `  npx --no weft lab down --name ${lab.name}          # leaves nothing behind`,
  ].join('\n');
}

try {
  await main();
} catch (error) {
  const next = error instanceof WeftError ? `\nnext: ${error.next}` : '';
  const code = error instanceof WeftError ? error.code : 'internal';
  const cause = error instanceof WeftError && error.cause ? `: ${describeCause(error.cause)}` : '';
  console.error(`error ${code}: ${error instanceof Error ? error.message : String(error)}${cause}${next}`);
  process.exitCode = 1;
}
