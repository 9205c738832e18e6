/** dockerd and weftd come and go in every way while containers run; afterwards all is as if they had not. */
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { labDown, labUp } from '../../src/lab/lab.ts';
import type { ExecResult, Lab } from '../../src/lab/lab.ts';
import { reaches } from '../support/docker.ts';
import { standing } from '../support/standing.ts';
import { until } from '../support/until.ts';

const LAB = `life-${process.pid}`;
/** By host; those of host2 are what comes and goes. */
const PEERS = { 1: ['10.5.0.9', 'fd00:5::9'], 3: ['10.5.0.10', 'fd00:5::10'] } as const;
let lab: Lab;
/** all that stands when host2 has no container */
let empty: string[];

beforeAll(async () => {
  lab = await labUp({ name: LAB, hosts: 3, engine: 'docker' });
  await weft(1, 'tenant', 'create', 'acme');
  await weft(1, 'network', 'create', 'acme/web', '--subnet', '10.5.0.0/16', '--subnet', 'fd00:5::/64');
  await until(async () => (await Promise.all([1, 2, 3].map(networksIn))).every((names) => names.includes('acme.web')), {
    what: 'the network to be in all engines',
    deadline: 30_000,
  });
  for (const host of [1, 3] as const) {
    const [ip, ip6] = PEERS[host];
    const options = ['--network', 'acme.web', '--ip', ip, '--ip6', ip6];
    await docker(host, 'run', '-d', '--name', 'peer', ...options, 'box', 'sleep', '3600');
  }
  empty = await standing(lab);
});
afterAll(() => labDown(LAB));

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

const networksIn = async (host: number): Promise<string[]> =>
  (await docker(host, 'network', 'ls', '--filter', 'driver=weft', '--format', '{{.Name}}')).split('\n');

interface Seen {
  addresses: string[];
  engine: { endpointId: string; container: { name: string } | null };
}

const endpointsOn2 = async (): Promise<Seen[]> =>
  JSON.parse(await weft(1, 'endpoint', 'ls', '-A', '--node', 'host2', '-o', 'json')) as Seen[];

/** A sleep that is pid 1 heeds no other signal. */
const run = (name: string, ...options: string[]) => {
  const all = ['--stop-signal', 'KILL', '--network', 'acme.web', ...options];
  return docker(2, 'run', '-d', '--name', name, ...all, 'box', 'sleep', '3600');
};

async function reachesPeers(name: string): Promise<void> {
  for (const address of Object.values(PEERS).flat()) {
    await until(() => reaches(lab.host(2), name, address), {
      what: `${name} to reach ${address}`,
      deadline: 30_000,
      every: 200,
    });
  }
}

/** What one container adds: an endpoint, an address of each family, and a port in the tenant's namespace. */
const COUNTED = { endpoint: /^endpoints\//, address: /^addresses\//, port: /^host2: we/ };
/** Besides: what describes the endpoint, and what host2 needs as soon as it has one. */
const BESIDES = /^(macs|names|labels)\/|^host2: /;

function counted(what: string[]) {
  const count = (kind: RegExp) => what.filter((one) => kind.test(one)).length;
  const known = [...Object.values(COUNTED), BESIDES];
  return {
    endpoints: count(COUNTED.endpoint),
    addresses: count(COUNTED.address),
    ports: count(COUNTED.port),
    others: what.filter((one) => !known.some((kind) => kind.test(one))),
  };
}

/** Exactly these containers of host2 have an endpoint, one each, each reaches the other hosts, and nothing else is left. */
async function settled(...names: string[]): Promise<void> {
  const containers = async () => (await endpointsOn2()).map(({ engine }) => engine.container?.name ?? '').sort();
  await until(async () => (await containers()).join() === names.sort().join(), {
    what: `endpoints of ${names.join(', ') || 'nobody'} alone`,
    deadline: 90_000,
    every: 250,
  });
  await Promise.all(names.map(reachesPeers));
  const before = counted(empty);
  const expected = {
    endpoints: before.endpoints + names.length,
    addresses: before.addresses + 2 * names.length,
    ports: names.length,
    others: before.others,
  };
  let now: string[] = [];
  const asExpected = async () => {
    now = await standing(lab);
    return isDeepStrictEqual(names.length === 0 ? now : counted(now), names.length === 0 ? empty : expected);
  };
  // an address may be held for a call that was cut off
  await until(asExpected, { what: 'nothing to be left', deadline: 120_000, every: 250 }).catch(() => undefined);
  if (names.length === 0) expect(now).toEqual(empty);
  else expect(counted(now)).toEqual(expected);
}

async function liveRestore(on: boolean): Promise<void> {
  const edit = `sed -i 's/^{/{ "live-restore": ${on},/; s/"live-restore": ${!on},//' /etc/docker/daemon.json`;
  expect((await tryOn(2, 'sh', '-c', edit)).exitCode).toBe(0);
}

describe('with live-restore', () => {
  test('an engine that is killed or stopped costs its containers nothing, and detaches them afterwards', async () => {
    await lab.host(2).stop('dockerd');
    await liveRestore(true);
    await lab.host(2).start('dockerd');
    await run('kept');
    await settled('kept');
    const before = (await endpointsOn2())[0]?.engine.endpointId;
    for (const end of ['kill', 'stop'] as const) {
      const pid = await docker(2, 'inspect', '-f', '{{.State.Pid}}', 'kept');
      await lab.host(2)[end]('dockerd');
      // traffic goes on without the engine
      expect((await tryOn(2, 'nsenter', '-t', pid, '-n', 'ping', '-c1', '-W2', '10.5.0.9')).exitCode).toBe(0);
      await lab.host(2).start('dockerd');
      await settled('kept');
      expect((await endpointsOn2())[0]?.engine.endpointId).toBe(before);
    }
    await docker(2, 'rm', '-f', 'kept');
    await settled();
    await lab.host(2).stop('dockerd');
    await liveRestore(false);
    await lab.host(2).start('dockerd');
  });
});

describe('without live-restore', () => {
  test.each(['kill', 'stop'] as const)('after a %s the engine has what is to restart, and no more', async (end) => {
    await run('always', '--restart', 'always');
    await run('once');
    await settled('always', 'once');
    await lab.host(2)[end]('dockerd');
    if (end === 'stop') await settled();
    await lab.host(2).start('dockerd');
    await settled('always');
    await docker(2, 'rm', '-f', 'always', 'once');
    await settled();
  });

  test('docker restart, a crash and a stop end as one endpoint or none', async () => {
    await run('again', '--restart', 'always');
    await docker(2, 'restart', '-t', '0', 'again');
    await settled('again');
    const pid = await docker(2, 'inspect', '-f', '{{.State.Pid}}', 'again');
    expect((await tryOn(2, 'kill', '-9', pid)).exitCode).toBe(0);
    await until(async () => (await docker(2, 'inspect', '-f', '{{.State.Pid}}', 'again')) !== pid, {
      what: 'the restart',
    });
    await settled('again');
    await docker(2, 'stop', '-t', '0', 'again');
    await settled();
    await docker(2, 'rm', '-f', 'again');
  });
});

describe('weftd', () => {
  test('killed while containers start and stop leaves no leak, and what did start works', async () => {
    const names = Array.from({ length: 6 }, (_, i) => `busy${i}`);
    const start = (name: string) =>
      tryOn(2, 'docker', 'run', '-d', '--name', name, '--network', 'acme.web', 'box', 'sleep', '3600');
    const starts = Promise.all(names.map(start));
    await lab.host(2).kill('weftd');
    await lab.host(2).start('weftd');
    // A call that was cut off comes again without its body, which is refused: Docker fails that start.
    await starts;
    const running = await docker(2, 'ps', '--filter', 'name=busy', '--format', '{{.Names}}');
    await settled(...running.split('\n').filter(Boolean));
    const ends = tryOn(2, 'docker', 'rm', '-f', ...names);
    await lab.host(2).kill('weftd');
    await lab.host(2).start('weftd');
    await ends;
    await settled();
  }, 300_000);
});

describe('the host', () => {
  test('after a power cut brings its containers back', async () => {
    await run('boots', '--restart', 'always');
    await settled('boots');
    await lab.host(2).powerCycle();
    await settled('boots');
    await docker(2, 'rm', '-f', 'boots');
    await settled();
  }, 300_000);
});
