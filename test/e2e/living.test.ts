/**
 * A host whose firewall is others' as well: containers of weft keep their ways out, in and to each other, and nothing else
 * gets one, while dockerd, firewalld, iptables, ufw, networkd and an administrator do their worst to host1.
 *
 *   shop/web   host1: c1 (published)   host2: c2        rival/web   host1: r1
 *   host1 also has plain, on docker0, and stranger, behind a bridge that nobody manages.
 *
 * The table of reach and the hostile container stand beside them: what is said of both holds here, too.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { labDown, labUp } from '../../src/lab/lab.ts';
import type { Lab, LabHost } from '../../src/lab/lab.ts';
import { CHECKOUT } from '../../src/lab/state.ts';
import { run } from '../support/docker.ts';
import { Firewalld } from '../support/firewalld.ts';
import { foreignRules } from '../support/foreign-rules.ts';
import type { ForeignRules } from '../support/foreign-rules.ts';
import { until } from '../support/until.ts';
import { fill, FLOOD, joinNetworks, pingMeanwhile, sendFloods } from './hostile/floods.ts';
import { dockersOwn } from './hostile/foreign.ts';
import { astray } from './hostile/forging.ts';
import { HostileScene } from './hostile/scene.ts';
import { addStranger, container, network, prepareEngine, startEngine } from './living/containers.ts';
import { linksOfWeft, networkd } from './living/links.ts';
import { DEADLINE, FOREIGN, PORT, PUBLISHED, Ways } from './living/ways.ts';
import type { Talkers } from './living/ways.ts';
import { ReachCluster } from './reach/cluster.ts';
import { ReachJudge } from './reach/judge.ts';

const LAB = `living-${process.pid}`;
let lab: Lab;
let one: LabHost;
let talkers: Talkers;
let ways: Ways;
let cluster: ReachCluster;
let reach: ReachJudge;
let scene: HostileScene;

beforeAll(async () => {
  lab = await labUp({ name: LAB, hosts: 2, engine: 'docker' });
  one = lab.host(1);
  await Promise.all(lab.hosts.map((host) => prepareEngine(host)));
});

beforeAll(async () => {
  await Promise.all(lab.hosts.map((host) => network(host, 'shop')));
  await network(one, 'rival');
  const [c1, c2, r1, plain] = await Promise.all([
    container(one, 'c1', 'shop', '-p', `${PUBLISHED}:${PORT}`),
    container(lab.host(2), 'c2', 'shop'),
    container(one, 'r1', 'rival'),
    container(one, 'plain'),
    addStranger(one),
  ]);
  talkers = { c1, c2, r1, plain };
});

beforeAll(async () => {
  cluster = await ReachCluster.raise(lab);
  reach = new ReachJudge(cluster);
});

beforeAll(async () => {
  scene = await HostileScene.raise(lab, await dockersOwn(one, talkers.plain));
  await joinNetworks(scene);
  ways = await Ways.start(lab, talkers);
  await ways.expectBack(Date.now(), 60_000);
});

afterAll(async () => {
  try {
    ways.end();
    cluster.end();
    scene.end();
  } finally {
    await labDown(LAB);
  }
});

/** What others wrote is what they had written before, with two rules of ours in these chains. */
async function expectForeign(before: ForeignRules, chains: string[]): Promise<void> {
  const { parts, ours } = await foreignRules(one);
  expect(parts).toEqual(before.parts);
  expect(ours).toEqual(Object.fromEntries(chains.map((chain) => [chain, 2])));
}

function unordered({ parts }: ForeignRules): Record<string, string[]> {
  return Object.fromEntries(Object.entries(parts).map(([name, text]) => [name, text.split('\n').sort()]));
}

/** The table of reach, and from docker0's containers on as well nothing that is forged arrives. */
async function expectBorders(): Promise<void> {
  expect(await reach.contradictions()).toEqual([]);
  expect(await astray(scene, true)).toEqual([]);
}

const sh = (script: string) => run(one, 'sh', '-ec', script);

const DOCKERS = ['ip filter DOCKER-USER'];

describe('beside others on its host, weft', () => {
  it('is heard where the test listens', async () => {
    await ways.untilHeard();
    expect((await foreignRules(one)).ours).toEqual({ 'ip filter DOCKER-USER': 2 });
    await ways.expectShut(FOREIGN);
  });

  it('lets its containers pass through the chains of a dockerd that starts again', async () => {
    const before = await foreignRules(one);
    await one.kill('dockerd');
    const [found] = await Promise.all([astray(scene, false), startEngine(one)]);
    await ways.expectBack(Date.now());
    expect(found).toEqual([]);
    const after = await foreignRules(one);
    // dockerd puts its jumps in another order when it comes to chains that stand; weft writes none.
    expect(unordered(after)).toEqual(unordered(before));
    expect(after.ours).toEqual({ 'ip filter DOCKER-USER': 2 });
    await ways.expectShut(FOREIGN);
    await expectBorders();
  });

  it('has its rules after an iptables restart, and once', async () => {
    // It writes chains that are empty, too.
    await sh('iptables-save >/run/rules; iptables-restore </run/rules');
    await ways.expectBack(Date.now());
    const before = await foreignRules(one);
    for (let times = 0; times < 2; times++) {
      await sh('iptables-save >/run/rules; iptables -F; iptables -X; iptables -P FORWARD DROP');
      await ways.expectBack(Date.now());
      await ways.expectShut(FOREIGN);
      await sh('iptables-restore </run/rules');
      await ways.expectBack(Date.now());
      await expectForeign(before, DOCKERS);
    }
    await ways.expectShut(FOREIGN);
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
    await ways.expectBack(Date.now());
    await expectForeign(written, ['ip filter FORWARD', 'ip6 filter FORWARD']);
    await ways.expectShut(FOREIGN);
    await sh('ip6tables -P FORWARD ACCEPT; ip6tables -F; ip6tables -X; iptables-restore </run/rules');
    await ways.expectBack(Date.now());
    expect((await foreignRules(one)).ours).toEqual({ 'ip filter DOCKER-USER': 2 });
  });

  it('lives with firewalld: its start, its reload, its end', async () => {
    const firewalld = await Firewalld.install(one);
    await one.freeze('weftd');
    await firewalld.start();
    // It empties dockerd's chains, where nothing leads to DOCKER-USER from then on; what they drop by default stays.
    const started = await foreignRules(one);
    const found = await astray(scene, false);
    await one.thaw('weftd');
    await ways.expectBack(Date.now());
    expect(found).toEqual([]);
    const places = ['inet firewalld filter_FORWARD', 'ip filter FORWARD'];
    await expectForeign(started, places);
    for (let times = 0; times < 2; times++) {
      await firewalld.reload();
      await ways.expectBack(Date.now());
      await expectForeign(started, places);
    }
    await expectBorders();
    await ways.expectShut(FOREIGN);
    await one.freeze('weftd');
    await firewalld.stop();
    const ended = await foreignRules(one);
    await one.thaw('weftd');
    await ways.expectBack(Date.now());
    const drops = ended.parts['ip filter FORWARD']?.includes('policy drop') === true;
    await expectForeign(ended, drops ? ['ip filter FORWARD'] : []);
  });

  it('is left alone by a networkd that is told so, and has back what another takes from its links', async () => {
    const before = await linksOfWeft(one);
    await one.exec(['cp', `${CHECKOUT}/plugins/networkd/10-weft.network`, '/etc/systemd/network/']);
    const since = Date.now();
    await networkd(one, /Enumeration completed/, async () => {
      await until(() => ways.missing(since).length === 0, { what: 'the ways', deadline: DEADLINE });
      expect(await linksOfWeft(one)).toBe(before);
    });
    ways.expectUnbroken(since);
    await sh('rm /etc/systemd/network/10-weft.network');
    await networkd(one, /wu\S+: Configuring with/, () => ways.expectBack(Date.now()));
    await sh('rm /etc/systemd/network/50-all.network');
    await ways.expectBack(Date.now());
    expect(await linksOfWeft(one)).toBe(before);
  });

  it('has its addresses and routes back that are flushed', async () => {
    const before = await linksOfWeft(one);
    await sh(`for link in $(ip -br link | grep -o '^wu[^@ ]*'); do
        ip address flush dev $link; ip -4 route flush dev $link; ip -6 route flush dev $link
      done`);
    await ways.expectBack(Date.now());
    expect(await linksOfWeft(one)).toBe(before);
  });

  it('is whole again after all rules of the host are flushed, and nothing of its containers got astray meanwhile', async () => {
    await one.freeze('weftd');
    await sh('nft flush ruleset');
    const found = await astray(scene, false);
    const before = await fill(scene);
    const { ipv4, ipv6 } = scene.party('v2');
    const pings = [ipv4, ipv6].map((to) => pingMeanwhile(scene, 'v1', to));
    sendFloods(scene, FLOOD);
    const lost = await Promise.all(pings.map(async ({ end }) => (await end()).lost));
    const after = await fill(scene);
    await one.thaw('weftd');
    await ways.expectBack(Date.now());
    await expectForeign({ parts: {}, ours: {} }, []);
    expect({ found, lost }).toEqual({ found: [], lost: [0, 0] });
    expect({ entries: after.entries, crowded: after.neighbours >= before.neighbours + 20 }).toEqual({
      entries: before.entries,
      crowded: false,
    });
    await expectBorders();
    for (let times = 0; times < 2; times++) {
      await sh('nft flush ruleset');
      await ways.expectBack(Date.now());
      await expectForeign({ parts: {}, ours: {} }, []);
    }
    // Nobody drops what the host forwards now, so that it is seen that weft does not either.
    await ways.untilForeignOpen();
  });
});
