/** A container that opens connections without end, and another of its tenant beside it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { NftSocket } from 'netlink-ts';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { CONNECTIONS } from '../../src/kernel/ceilings.ts';
import { countsConnections } from '../../src/kernel/features.ts';
import { compileRuleset } from '../../src/kernel/guard-tables.ts';
import { linkNames } from '../../src/model/names.ts';
import { planTenantGuard } from '../../src/plan/guard.ts';
import { clusterSettings } from '../support/cluster-state.ts';
import { Forger } from '../support/forge.ts';
import { ethernet, ipv4, ipv6, udp } from '../support/frames.ts';
import { inside, succeeds } from '../support/host-namespaces.ts';
import { until } from '../support/until.ts';
import { probe } from '../support/who-am-i.ts';
import { OUTSIDE, RoutingCluster } from './routing-cluster.ts';

const PORT = 8080;
const VNI = 0x118000;
const SUBNETS = [
  { cidr: '10.10.0.0/16', gateway: '10.10.0.1', reserved: [] },
  { cidr: 'fd00:10::/64', gateway: 'fd00:10::1', reserved: [] },
];
const FLOWS = 20_000;
/** the forging tool writes another number into each copy: here, the ports */
const MARK_PORTS = { from: 0xffee, to: 0xddcc };
const [UDP, IPV4, IPV6] = [17, 0x0800, 0x86dd];

let forger: Forger;
let cluster: RoutingCluster;

beforeAll(() => {
  forger = new Forger();
});
afterAll(() => forger.remove());

beforeEach(() => {
  cluster = new RoutingCluster('ceilings');
  cluster.states.tenant('acme').network('acme', 'web', { vni: VNI, subnets: SUBNETS });
});

afterEach(() => cluster.close());

it.each([
  ['IPv4', OUTSIDE.ipv4],
  ['IPv6', OUTSIDE.ipv6],
])('fills no table of its host by %s, is counted, and takes nothing from its neighbour', async (_, to) => {
  cluster.start(1);
  const attach = (name: string, last: number) =>
    cluster.endpoint('acme-web', name, { host: 1, addresses: [`10.10.0.${last}/16`, `fd00:10::${last}/64`] });
  const [evil, victim] = [attach('evil', 10), attach('victim', 11)];
  await cluster.serve(cluster.outside, PORT);
  await cluster.publish();
  const reaches = async (path: string) => (await probe(path, [{ protocol: 'TCP', to, port: PORT }]))[0] !== null;
  await until(() => reaches(evil), { what: 'the way out' });
  const { host, kernel } = cluster.hosts[0]!;
  // Those that are over are counted until somebody comes by them, which a listing does not.
  const family = to.includes(':') ? 'ipv6' : 'ipv4';
  const tracked = () => Number(inside(host.path, 'sh', '-c', `conntrack -L -f ${family} 2>/dev/null | wc -l`));
  const refused = async () => (await kernel.drops('acme')).get(linkNames.port('evil'))?.connections ?? 0;

  const ping = spawn('nsenter', [`--net=${victim}`, 'ping', '-q', '-i', '0.05', '-c', '120', '-W', '5', to]);
  let summary = '';
  ping.stdout.on('data', (data: Buffer) => (summary += data.toString()));
  const pinged = once(ping, 'close');
  const flow = udp(MARK_PORTS, Buffer.from('flow'));
  const macIn = (text: string) => /(?:[0-9a-f]{2}:){5}[0-9a-f]{2}/.exec(text)?.[0] ?? '';
  const ends = {
    from: macIn(inside(evil, 'ip', 'link', 'show', 'eth0')),
    to: macIn(inside(evil, 'ip', 'neigh', 'show', family === 'ipv6' ? 'fd00:10::1' : '10.10.0.1')),
  };
  const frame =
    family === 'ipv6'
      ? ethernet(ends, IPV6, ipv6({ from: 'fd00:10::10', to, next: UDP }, flow))
      : ethernet(ends, IPV4, ipv4({ from: '10.10.0.10', to, protocol: UDP }, flow));
  let answers = 0;
  for (let i = 0; i < 10; i++) {
    forger.send(['nsenter', `--net=${evil}`], [frame], { repeat: FLOWS, base: 0x4000_0000 + i * FLOWS });
    answers += Number(await reaches(victim));
  }
  await pinged;

  expect(summary).toContain(' 0% packet loss');
  expect(answers).toBe(10);
  expect(await refused()).toBeGreaterThan(5 * FLOWS);
  expect(tracked()).toBeLessThan(CONNECTIONS + 500);
  expect((await kernel.drops('acme')).get(linkNames.port('victim'))).toBeUndefined();
});

it('is tried out before it is used, and leaves nothing', async () => {
  cluster.start(1);
  const { path } = cluster.hosts[0]!.host;
  const nft = NftSocket.open({ netns: path });
  try {
    const tables = inside(path, 'nft', 'list', 'tables');
    const can = succeeds(
      path,
      'nft',
      '-c',
      'add table inet trial; add chain inet trial t; add rule inet trial t ct count 1',
    );
    expect(await countsConnections(nft)).toBe(can);
    expect(inside(path, 'nft', 'list', 'tables')).toBe(tables);
  } finally {
    nft.close();
  }
});

it('is the rate alone where the kernel cannot count', () => {
  const state = cluster.states.node('host1', '192.0.2.1').binding('acme-web', 'host1').build();
  const intent = planTenantGuard(state, 'acme', { node: 'host1', settings: clusterSettings() });
  const text = (counts: boolean) => JSON.stringify(compileRuleset(intent, { counts }), bigints);
  expect(text(true)).toContain('"connection limit"');
  expect(text(false)).not.toContain('"connection limit"');
  expect(text(false)).toContain('"begun4"');
});

function bigints(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}
