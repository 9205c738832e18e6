/**
 * A host whose firewall is others' as well: containers of weft keep their ways out, in and to each other, and nothing else
 * gets one, while dockerd, firewalld, iptables, ufw, networkd and an administrator do their worst to host1.
 *
 *   acme/web   host1: c1 (published)   host2: c2        beta/web   host1: b1
 *   host1 also has plain, on docker0, and stranger, behind a bridge that nobody manages.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { labDown, labUp } from '../../src/lab/lab.ts';
import type { Lab, LabHost, LabSession } from '../../src/lab/lab.ts';
import { CHECKOUT } from '../../src/lab/state.ts';
import { OUTSIDE } from '../../src/lab/underlay.ts';
import { createDockerNetwork, run } from '../support/docker.ts';
import { Firewalld } from '../support/firewalld.ts';
import { foreignRules } from '../support/foreign-rules.ts';
import type { ForeignRules } from '../support/foreign-rules.ts';
import { Hearing, TALKER } from '../support/talker.ts';
import type { Talk } from '../support/talker.ts';
import { until } from '../support/until.ts';

const LAB = 'e2e-living';
const [PORT, PUBLISHED] = [8080, 18_080];
const SUBNETS = { acme: ['10.10.0.0/16', 'fd00:10::/64'], beta: ['10.77.0.0/16', 'fd00:77::/64'] };
const STRANGER = { subnet: '172.31.9.0/24', gateway: '172.31.9.1', address: '172.31.9.2' };
/** ms in which everything that weft gives is back */
const DEADLINE = 5_000;
/** By name of the question: what it is answered while all is well. */
const ways = new Map<string, RegExp>();
/** Never answered once weft's rules stand, whoever else has none. */
const SHUT = ['c1 to docker0'];
/** Answered only where nothing of others drops what the host forwards. */
const FOREIGN = ['the outside to docker0', 'the outside to a stranger'];
/** Datagrams of c1 that must arrive at no time at all. */
const ASTRAY = ['c1 at a daemon of host1', 'c1 at a daemon of host2', 'c1 at beta'];

let lab: Lab;
let one: LabHost;
const hearing = new Hearing();
const sessions: LabSession[] = [];
let outside: ChildProcess | undefined;

beforeAll(async () => {
  lab = await labUp({ name: LAB, hosts: 2, engine: 'docker' });
  one = lab.host(1);
  await Promise.all(lab.hosts.map((host) => prepareEngine(host)));
  await Promise.all(lab.hosts.map((host) => network(host, 'acme')));
  await network(one, 'beta');
  const [c1, c2, b1, plain] = await Promise.all([
    container(one, 'c1', 'acme', '-p', `${PUBLISHED}:${PORT}`),
    container(lab.host(2), 'c2', 'acme'),
    container(one, 'b1', 'beta'),
    container(one, 'plain'),
    addStranger(),
  ]);
  await talkOfAll({ c1, c2, b1, plain });
  await allBack(Date.now(), 60_000);
});

afterAll(async () => {
  outside?.kill('SIGKILL');
  await labDown(LAB);
});

interface Place {
  host: LabHost;
  /** of its network namespace, in the host's numbering */
  pid: string;
  ipv4: string;
  ipv6: string;
}

/** An engine that goes keeps its containers, and one that comes finds a host that does not forward: then it makes it drop. */
async function prepareEngine(host: LabHost): Promise<void> {
  await host.kill('dockerd');
  await run(host, 'sed', '-i', 's/^{/{ "live-restore": true,/', '/etc/docker/daemon.json');
  await startEngine(host);
}

async function startEngine(host: LabHost): Promise<void> {
  await run(host, 'sysctl', '-q', '-w', 'net.ipv4.ip_forward=0');
  await host.start('dockerd');
}

function network(host: LabHost, tenant: 'acme' | 'beta'): Promise<void> {
  return createDockerNetwork(host, { tenant, name: tenant, subnets: SUBNETS[tenant] });
}

/** On docker0 without a network of ours. */
async function container(host: LabHost, name: string, tenant?: string, ...options: string[]): Promise<Place> {
  const on = tenant === undefined ? [] : ['--network', tenant];
  await run(host, 'docker', 'run', '-d', '--name', name, ...on, ...options, 'box', 'sleep', '3600');
  const addresses = `{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}`;
  const text = await run(host, 'docker', 'inspect', '-f', `{{.State.Pid}} ${addresses}`, name);
  const [pid = '', ipv4 = '', ipv6 = ''] = text.split(' ');
  return { host, pid, ipv4, ipv6 };
}

async function addStranger(): Promise<void> {
  const script = `ip netns add stranger
    ip link add br-stranger type bridge
    ip address add ${STRANGER.gateway}/24 dev br-stranger
    ip link add vstranger up master br-stranger type veth peer name eth0 netns stranger
    ip link set br-stranger up
    ip -n stranger address add ${STRANGER.address}/24 dev eth0
    ip -n stranger link set eth0 up
    ip -n stranger route add default via ${STRANGER.gateway}`;
  await run(one, 'sh', '-ec', script);
}

function ask(name: string, to: string, answer?: RegExp, port = PORT): Talk['asks'][number] {
  if (answer) ways.set(name, answer);
  return { name, to, port };
}

const seen = (address: string) => new RegExp(`^${address.replaceAll('.', '\\.')} `);
const servedBy = (address: string) => new RegExp(` ${address.replaceAll('.', '\\.')}$`);

async function talkOfAll({ c1, c2, b1, plain }: Record<'c1' | 'c2' | 'b1' | 'plain', Place>): Promise<void> {
  const two = lab.host(2);
  await talk(c1, {
    asks: [
      ask('out by IPv4', OUTSIDE.ipv4, seen(one.address4)),
      ask('out by IPv6', OUTSIDE.ipv6, seen(one.address6)),
      ask('c1 to c2 by IPv4', c2.ipv4, seen(c1.ipv4)),
      ask('c1 to c2 by IPv6', c2.ipv6, seen(c1.ipv6)),
      ask('c1 to docker0', plain.ipv4),
    ],
    shouts: [
      ...[one.address4, one.address6].map((to) => ({ to, text: 'c1 at a daemon of host1' })),
      ...[two.address4, two.address6].map((to) => ({ to, text: 'c1 at a daemon of host2' })),
      ...[b1.ipv4, b1.ipv6].map((to) => ({ to, text: 'c1 at beta' })),
    ],
  });
  await talk(c2, {
    asks: [ask('c2 to c1 by IPv4', c1.ipv4, seen(c2.ipv4)), ask('c2 to c1 by IPv6', c1.ipv6, seen(c2.ipv6))],
  });
  await talk(b1, { shouts: [{ to: b1.ipv4, text: 'b1 hears' }] });
  await talk(plain, { shouts: [] });
  await talk({ host: one }, { shouts: [{ to: plain.ipv4, text: 'plain hears' }] });
  await talk(
    { host: lab.host(2) },
    {
      asks: [
        ask('in by IPv4', one.address4, servedBy(c1.ipv4), PUBLISHED),
        ask('in by IPv6', one.address6, servedBy(c1.ipv6), PUBLISHED),
      ],
      shouts: [{ to: one.address4, text: 'host1 hears' }],
    },
  );
  await talkOutside(plain);
  await talk({ host: one, netns: '/run/netns/stranger' }, {});
}

async function talk(
  { host, pid, netns }: { host: LabHost; pid?: string; netns?: string },
  what: Partial<Talk>,
): Promise<void> {
  const path = netns ?? (pid === undefined ? undefined : `/proc/${pid}/ns/net`);
  const enter = path === undefined ? [] : ['nsenter', `--net=${path}`];
  const session = await host.spawn([...enter, 'node', '-e', TALKER, '--', talkOf(what)]);
  sessions.push(session);
  await hearing.follow(session.stdout);
}

function talkOf(what: Partial<Talk>): string {
  return JSON.stringify({ port: PORT, asks: [], shouts: [], patience: 700, pause: 100, ...what } satisfies Talk);
}

/** Somebody outside of the cluster who sends what is for host1's other networks to host1. */
async function talkOutside(plain: Place): Promise<void> {
  const enter = ['-t', String(lab.switchPid), '-n'];
  const via = (subnet: string) => `ip route add ${subnet} via ${one.address4}`;
  const script = `${via('172.17.0.0/16')} && ${via(STRANGER.subnet)} && exec "$@"`;
  const asks = [ask('the outside to docker0', plain.ipv4), ask('the outside to a stranger', STRANGER.address)];
  const command = [process.execPath, '-e', TALKER, '--', talkOf({ asks })];
  outside = spawn('nsenter', [...enter, 'sh', '-c', script, 'sh', ...command], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await hearing.follow(outside.stdout!);
}

/** The ways that are not as they should be since then. */
function missing(since: number): string[] {
  return [...ways]
    .filter(([name, answer]) => !answer.test(hearing.settled(name, since, 2) ?? ''))
    .map(([name]) => name);
}

/** All that weft gives is there for questions asked since then, and what it shuts is shut from now on. */
async function allBack(since: number, deadline = DEADLINE): Promise<void> {
  await until(() => missing(since).length === 0, { what: 'the ways', deadline }).catch(() => undefined);
  expect(missing(since)).toEqual([]);
  await staysShut(SHUT);
  expect(ASTRAY.filter((text) => hearing.count(text) > 0)).toEqual([]);
}

/** From now on. */
async function staysShut(names: string[]): Promise<void> {
  const since = Date.now();
  const asked = () => names.every((name) => hearing.settled(name, since, 2) === '');
  await until(asked, { what: `no answer: ${names.join(', ')}`, deadline: 20_000 }).catch(() => undefined);
  expect(names.flatMap((name) => [...hearing.answersSince(name, since)].map((answer) => `${name}: ${answer}`))).toEqual(
    names.map((name) => `${name}: `),
  );
}

/** What others wrote is what they had written before, with two rules of ours in these chains. */
async function expectForeign(before: ForeignRules, chains: string[]): Promise<void> {
  const { parts, ours } = await foreignRules(one);
  expect(parts).toEqual(before.parts);
  expect(ours).toEqual(Object.fromEntries(chains.map((chain) => [chain, 2])));
}

function unordered({ parts }: ForeignRules): Record<string, string[]> {
  return Object.fromEntries(Object.entries(parts).map(([name, text]) => [name, text.split('\n').sort()]));
}

const sh = (script: string) => run(one, 'sh', '-ec', script);
/** Addresses and routes of the links that weft has in the host's namespace. */
function linksOfWeft(): Promise<string> {
  return sh(`for family in 4 6; do
      ip -$family -o address show | grep -o 'w[uc].*' | tr -s ' '; ip -$family route show | grep ' dev w[uc]'
    done | sort`);
}

/**
 * Runs systemd-networkd, which is to have all links that begin as weft's do, and ends it after the body. It has no udev to
 * wait for where /sys is read-only. `line`: what it has said when it is done with them.
 */
async function networkd(line: RegExp, body: () => Promise<void>): Promise<void> {
  await sh(`printf '[Match]\nName=w*\n\n[Network]\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n' >/etc/systemd/network/50-all.network
    mkdir -p /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
    chown -R systemd-network /run/systemd/netif`);
  const script = 'mount -o remount,bind,ro /sys && exec /lib/systemd/systemd-networkd';
  const session = await one.spawn(['unshare', '--mount', 'sh', '-c', script]);
  let text = '';
  session.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
  try {
    await until(() => line.test(text), { what: `networkd: ${String(line)}`, deadline: 20_000 });
    await body();
  } finally {
    await session.kill('TERM');
  }
}

const DOCKERS = ['ip filter DOCKER-USER'];

describe('beside others on its host, weft', () => {
  it('is heard where the test listens', async () => {
    const heard = ['b1 hears', 'plain hears', 'host1 hears'];
    await until(() => heard.every((text) => hearing.count(text) > 0), { what: heard.join(', ') });
    expect((await foreignRules(one)).ours).toEqual({ 'ip filter DOCKER-USER': 2 });
    await staysShut(FOREIGN);
  });

  it('lets its containers pass through the chains of a dockerd that starts again', async () => {
    const before = await foreignRules(one);
    await one.kill('dockerd');
    await startEngine(one);
    await allBack(Date.now());
    const after = await foreignRules(one);
    // dockerd puts its jumps in another order when it comes to chains that stand; weft writes none.
    expect(unordered(after)).toEqual(unordered(before));
    expect(after.ours).toEqual({ 'ip filter DOCKER-USER': 2 });
    await staysShut(FOREIGN);
  });

  it('has its rules after an iptables restart, and once', async () => {
    // It writes chains that are empty, too.
    await sh('iptables-save >/run/rules; iptables-restore </run/rules');
    await allBack(Date.now());
    const before = await foreignRules(one);
    for (let times = 0; times < 2; times++) {
      await sh('iptables-save >/run/rules; iptables -F; iptables -X; iptables -P FORWARD DROP');
      await allBack(Date.now());
      await staysShut(FOREIGN);
      await sh('iptables-restore </run/rules');
      await allBack(Date.now());
      await expectForeign(before, DOCKERS);
    }
    await staysShut(FOREIGN);
  });

  it('lives with rules as ufw writes them, for both families', async () => {
    await sh('iptables-save >/run/rules; iptables -F; iptables -X; ip6tables -F');
    const chains = ['before-logging', 'before', 'after', 'after-logging', 'reject'].map(
      (name) => `ufw-${name}-forward`,
    );
    const rules = [
      ...chains.flatMap((chain) => [`-N ${chain}`, `-A FORWARD -j ${chain}`]),
      '-A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
      '-A ufw-reject-forward -j REJECT',
      '-P FORWARD DROP',
    ];
    await one.freeze('weftd');
    await sh(['iptables', 'ip6tables'].flatMap((tool) => rules.map((rule) => `${tool} ${rule}`)).join('\n'));
    const written = await foreignRules(one);
    await one.thaw('weftd');
    await allBack(Date.now());
    await expectForeign(written, ['ip filter FORWARD', 'ip6 filter FORWARD']);
    await staysShut(FOREIGN);
    await sh('ip6tables -P FORWARD ACCEPT; ip6tables -F; ip6tables -X; iptables-restore </run/rules');
    await allBack(Date.now());
    expect((await foreignRules(one)).ours).toEqual({ 'ip filter DOCKER-USER': 2 });
  });

  it('lives with firewalld: its start, its reload, its end', async () => {
    const firewalld = await Firewalld.install(one);
    await one.freeze('weftd');
    await firewalld.start();
    // It empties dockerd's chains, where nothing leads to DOCKER-USER from then on; what they drop by default stays.
    const started = await foreignRules(one);
    await one.thaw('weftd');
    await allBack(Date.now());
    const places = ['inet firewalld filter_FORWARD', 'ip filter FORWARD'];
    await expectForeign(started, places);
    for (let times = 0; times < 2; times++) {
      await firewalld.reload();
      await allBack(Date.now());
      await expectForeign(started, places);
    }
    await staysShut(FOREIGN);
    await one.freeze('weftd');
    await firewalld.stop();
    const ended = await foreignRules(one);
    await one.thaw('weftd');
    await allBack(Date.now());
    const drops = ended.parts['ip filter FORWARD']?.includes('policy drop') === true;
    await expectForeign(ended, drops ? ['ip filter FORWARD'] : []);
  });

  it('is left alone by a networkd that is told so, and has back what another takes from its links', async () => {
    const before = await linksOfWeft();
    await one.exec(['cp', `${CHECKOUT}/plugins/networkd/10-weft.network`, '/etc/systemd/network/']);
    const since = Date.now();
    await networkd(/Enumeration completed/, async () => {
      await until(() => missing(since).length === 0, { what: 'the ways', deadline: DEADLINE });
      expect(await linksOfWeft()).toBe(before);
    });
    // Not one question went without its answer.
    for (const [name, answer] of ways) {
      const answers = [...hearing.answersSince(name, since)];
      expect({ name, wrong: answers.filter((one) => !answer.test(one)) }).toEqual({ name, wrong: [] });
    }
    await sh('rm /etc/systemd/network/10-weft.network');
    await networkd(/wu\S+: Configuring with/, () => allBack(Date.now()));
    await sh('rm /etc/systemd/network/50-all.network');
    await allBack(Date.now());
    expect(await linksOfWeft()).toBe(before);
  });

  it('has its addresses and routes back that are flushed', async () => {
    const before = await linksOfWeft();
    await sh(`for link in $(ip -br link | grep -o '^wu[^@ ]*'); do
        ip address flush dev $link; ip -4 route flush dev $link; ip -6 route flush dev $link
      done`);
    await allBack(Date.now());
    expect(await linksOfWeft()).toBe(before);
  });

  it('is whole again after all rules of the host are flushed, and nothing of its containers got astray meanwhile', async () => {
    for (let times = 0; times < 3; times++) {
      await sh('nft flush ruleset');
      await allBack(Date.now());
      await expectForeign({ parts: {}, ours: {} }, []);
    }
    // Nobody drops what the host forwards now, so that it is seen that weft does not either.
    const since = Date.now();
    await until(() => FOREIGN.every((name) => hearing.settled(name, since, 2)), { what: FOREIGN.join(', ') });
  });
});
