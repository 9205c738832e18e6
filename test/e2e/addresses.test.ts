/** Addresses of three hosts at once: to the last one of a pool, and while etcd is away. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Examination } from '../../src/control/examination/port.ts';
import type { EndpointView, StatusView } from '../../src/control/port.ts';
import { labDown, labUp } from '../../src/lab/lab.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { json, run } from '../support/docker.ts';
import { Forger } from '../support/forge.ts';
import { ethernet, ipv4, udp } from '../support/frames.ts';
import { until } from '../support/until.ts';

const LAB = `addresses-${process.pid}`;
const HOSTS = [1, 2, 3];
/** in a UDP header */
const UDP_CHECKSUM = 6;
const ATTACH_MANY = fileURLToPath(new URL('../support/attach-many.mjs', import.meta.url));
/** ms for which etcd is away at least; each round in it takes seconds */
const OUTAGE = process.env.WEFT_LONG === undefined ? 0 : 600_000;
let lab: Lab;

beforeAll(async () => {
  lab = await labUp({ name: LAB, hosts: 3 });
  for (const n of HOSTS) await run(lab.host(n), 'ip', 'netns', 'add', 'many');
  await run(lab.host(1), 'weft', 'tenant', 'create', 'acme');
});
afterAll(() => labDown(LAB));

interface Outcome {
  addresses: string[];
  refusals: { code: string; message: string }[];
}

async function attachMany(host: number, network: string, count: number): Promise<Outcome> {
  const command = [process.execPath, ATTACH_MANY, network, '/run/netns/many', String(count)];
  const { stdout, stderr, exitCode } = await lab.host(host).exec(command, { timeout: 240_000 });
  expect(exitCode, stderr).toBe(0);
  return JSON.parse(stdout) as Outcome;
}

const endpoints = (host: number, network: string) =>
  json<EndpointView[]>(lab.host(host), 'weft', 'endpoint', 'ls', '-t', 'acme', '--network', network);

const examine = async () => {
  const { stdout } = await lab.host(1).exec(['weft', 'doctor', '-o', 'json'], { timeout: 60_000 });
  const { findings } = JSON.parse(stdout) as Examination;
  return findings.map(({ code, node, object }) => [code, node, object]);
};

/** No network stands yet: nobody guards the overlay's port, and there is no VXLAN device. */
describe('the ways between hosts without a network', () => {
  test('are examined: nothing while all is well, a closed port and a narrow way by name', async () => {
    const [, , three] = lab.hosts;
    await until(async () => (await examine()).length === 0, { what: 'nothing to be found', deadline: 60_000 });
    const chain =
      'chain closed { type filter hook prerouting priority -400; ip saddr 192.0.2.1 udp dport 14789 drop; };';
    await run(three!, 'nft', `table inet planted { ${chain} }`);
    expect(await examine()).toEqual([['overlay-blocked', 'host1', 'the way to host3']]);
    const rule = 'meta nfproto ipv4 @nh,16,16 > 1400 udp dport 14789 drop';
    await run(three!, 'nft', `flush chain inet planted closed; add rule inet planted closed ${rule}`);
    expect(await examine()).toEqual([
      ['path-mtu', 'host1', 'the way to host3'],
      ['path-mtu', 'host2', 'the way to host3'],
    ]);
    await run(three!, 'nft', 'delete', 'table', 'inet', 'planted');
    expect(await examine()).toEqual([]);
  });
});

describe('a pool', () => {
  test('is given to its last address to three hosts that ask at once, and to nobody twice', async () => {
    await run(lab.host(1), 'weft', 'network', 'create', 'acme/full', '--subnet', '10.60.0.0/24');
    const outcomes = await Promise.all(HOSTS.map((n) => attachMany(n, 'acme/full', 100)));
    const given = outcomes.flatMap(({ addresses }) => addresses);
    const refused = outcomes.flatMap(({ refusals }) => refusals);
    expect(refused.map(({ code }) => code)).toEqual(Array.from({ length: 47 }, () => 'pool-exhausted'));
    expect(refused[0]?.message).toContain('acme/full');
    expect(given).toHaveLength(253);
    expect(new Set(given).size).toBe(253);
    for (const n of HOSTS) {
      await until(async () => (await endpoints(n, 'full')).length === 253, { what: `host${n} to see them all` });
    }
  });
});

describe('while etcd is away', () => {
  test(
    'endpoints come and go, daemons restart, peers reach them, and etcd holds the same afterwards',
    { timeout: 180_000 + OUTAGE },
    async () => {
      await run(lab.host(1), 'weft', 'network', 'create', 'acme/web', '--subnet', '10.61.0.0/16');
      for (const n of HOSTS) {
        await run(lab.host(n), 'ip', 'netns', 'add', 'first');
        await run(lab.host(n), 'weft', 'endpoint', 'attach', 'acme/web', '--netns', '/run/netns/first');
      }
      await until(async () => (await endpoints(3, 'web')).every(({ published }) => published), {
        what: 'the first ones',
      });
      await lab.host(1).freeze('etcd');
      const end = performance.now() + OUTAGE;
      await until(async () => (await json<StatusView>(lab.host(2), 'weft', 'status')).store.state === 'away', {
        what: 'host2 to notice',
      });
      let last = '';
      do {
        if (last !== '') await detachFrom(2, last);
        last = await comeAndGo();
        await lab.host(2).kill('weftd');
        await lab.host(2).start('weftd');
      } while (performance.now() < end);
      await lab.host(1).thaw('etcd');
      await until(
        async () => {
          const seen = await Promise.all(HOSTS.map((n) => endpoints(n, 'web')));
          return seen.every((list) => list.length === 4 && list.every(({ published }) => published));
        },
        { what: 'etcd to hold what the journals hold', deadline: 60_000 },
      );
      const audit = () => lab.host(3).exec(['weft', 'doctor', '--audit', '-o', 'json']);
      const isSilent = async () => (await audit()).exitCode === 0;
      await until(isSilent, { what: 'the audit to be silent', deadline: 60_000, every: 1_000 }).catch(() => undefined);
      expect(JSON.parse((await audit()).stdout)).toMatchObject({ findings: [] });
    },
  );

  /**
   * The address that stays of two that host2 attaches; host3 has reached it. Both are in one namespace, which answers by the
   * interface that came first: alone, it is the one that was asked.
   */
  async function comeAndGo(): Promise<string> {
    const { addresses } = await attachMany(2, 'acme/web', 2);
    const [kept = '', gone = ''] = addresses.map((cidr) => cidr.split('/')[0] ?? '');
    await detachFrom(2, gone);
    const ping = ['nsenter', '--net=/run/netns/first', 'ping', '-c1', '-W1', kept];
    await until(async () => (await lab.host(3).exec(ping)).exitCode === 0, {
      what: 'host3 to reach what came meanwhile',
    });
    return kept;
  }

  async function detachFrom(host: number, address: string): Promise<void> {
    const mine = await endpoints(host, 'web');
    const leaving = mine.find(({ addresses }) => addresses[0]?.startsWith(`${address}/`));
    expect(leaving).toMatchObject({ published: false });
    await run(lab.host(host), 'weft', 'endpoint', 'detach', leaving?.id ?? '');
  }
});

/** As a network card would leave them that computes checksums wrongly: the container drops them, and nobody hears of it. */
test('packets with wrong checksums that come to a container are found', async () => {
  const [from, to] = await Promise.all(
    [1, 2].map(async (n) =>
      (await endpoints(n, 'web')).find(({ node, sandbox }) => node === `host${n}` && sandbox.endsWith('/first')),
    ),
  );
  const addressOf = ({ addresses: [cidr = ''] }: EndpointView) => cidr.split('/')[0] ?? '';
  const datagram = udp({ from: 4_000, to: 4_000 }, Buffer.alloc(32));
  datagram.writeUInt16BE(1, UDP_CHECKSUM);
  const packet = ipv4({ from: addressOf(from!), to: addressOf(to!), protocol: 17 }, datagram);
  const inside = ['nsenter', `--net=/proc/${lab.host(1).initPid}/root/run/netns/first`] as const;
  const forger = new Forger();
  try {
    const frame = ethernet({ from: from!.mac, to: to!.mac }, 0x0800, packet);
    forger.send(inside, [frame], { repeat: 200 });
  } finally {
    forger.remove();
  }
  const found = (await examine()).filter(([code]) => code === 'checksum-offload');
  expect(found).toEqual([['checksum-offload', 'host2', 'eth0']]);
});
