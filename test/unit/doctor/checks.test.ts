/** What the checks of a host make of facts: nothing of a healthy host, and of each fault what it is and what to do. */
import { describe, expect, it } from 'vitest';
import { checkHost } from '../../../src/doctor/checks.ts';
import { checkClocks, clockTold } from '../../../src/doctor/clock.ts';
import { conditionFindings } from '../../../src/doctor/conditions.ts';
import type { HostFacts } from '../../../src/model/host-facts.ts';
import { clusterSettings, StateBuilder } from '../../support/cluster-state.ts';

const HEALTHY: HostFacts = {
  release: '6.1.0-13-amd64',
  lackingModules: [],
  underlay: { interface: 'eth0', mtu: 1500, up: true },
  ways: [{ node: 'host2', vtep: '192.0.2.2', source: '192.0.2.1' }],
  routes: [
    { destination: '192.0.2.0/24', interface: 'eth0' },
    { destination: '172.17.0.0/16', interface: 'docker0' },
  ],
  ...{ legacyTables: [], legacyDrops: [] },
  checksums: [{ endpoint: undefined, came: 100_000, wrong: 900 }],
  linkManagers: [{ name: 'systemd-networkd', told: true }],
  udevRules: [],
  connections: { used: 1_000, most: 262_144 },
  neighbourLimits: { ipv4: 1_024, ipv6: 1_024 },
};

function stateOf(endpoints: number) {
  const builder = new StateBuilder().tenant('acme').node('host1', '192.0.2.1').node('host2', '192.0.2.2');
  builder.network('acme', 'web', { vni: 0x100000, mtu: 1450 });
  for (let i = 0; i < endpoints; i++) {
    const attachment = { mode: 'engine', sandbox: null } as const;
    builder.endpoint('acme-web', `e${i}`, { node: 'host1', addresses: [`10.10.${i >> 8}.${i & 255}/16`], attachment });
  }
  return builder.build();
}

function check(changes: Partial<HostFacts> = {}, options: { endpoints?: number; family?: 4 | 6 } = {}) {
  const { endpoints = 3, family = 4 } = options;
  const state = stateOf(endpoints);
  const facts = { ...HEALTHY, ...changes };
  return checkHost({ node: state.nodes.get('host1')!, state, settings: clusterSettings(family), facts });
}

const WRONG = { endpoint: undefined, came: 100_000, wrong: 1_000 };

const UNKNOWN: Partial<HostFacts> = {
  ...{ lackingModules: [], ways: [], routes: [], legacyTables: [], legacyDrops: [], linkManagers: [], udevRules: [] },
  checksums: [],
  connections: undefined,
  neighbourLimits: { ipv4: undefined, ipv6: undefined },
};

describe('the checks of a host', () => {
  it('find nothing on a healthy host, nor where little could be learnt', () => {
    expect(check()).toEqual([]);
    expect(check(UNKNOWN)).toEqual([]);
  });

  it.each<[code: string, object: string, command: string, changes: Partial<HostFacts>]>([
    ['kernel-old', '4.19.0', 'kernel', { release: '4.19.0' }],
    ['kernel-feature-missing', 'vxlan', 'modprobe vxlan', { lackingModules: ['vxlan'] }],
    ['vtep-gone', '192.0.2.1', 'underlay.address', { underlay: undefined }],
    ['underlay-down', 'eth0', 'ip link set eth0 up', { underlay: { interface: 'eth0', mtu: 1500, up: false } }],
    ['mtu-too-small', 'eth0', 'ip link set eth0 mtu 1500', { underlay: { interface: 'eth0', mtu: 1499, up: true } }],
    [
      'peer-unreachable',
      'the way to host2',
      'ip route get 192.0.2.2',
      { ways: [{ node: 'host2', vtep: '192.0.2.2', source: undefined }] },
    ],
    [
      'source-address',
      'the way to host2',
      'src 192.0.2.1',
      { ways: [{ node: 'host2', vtep: '192.0.2.2', source: '198.51.100.1' }] },
    ],
    ['legacy-forward-drops', 'ip6 filter FORWARD', 'ip6tables-legacy -I FORWARD -i wu+', { legacyDrops: ['ip6'] }],
    ['checksum-offload', 'eth0', 'ethtool -K eth0 tx off', { checksums: [WRONG] }],
    ['checksum-offload', 'eth0', 'on those that send', { checksums: [{ ...WRONG, endpoint: 'e1' }] }],
    ['iptables-legacy', 'ip filter, ip nat', 'iptables-nft', { legacyTables: ['ip filter', 'ip nat'] }],
    [
      'subnet-overlaps-route',
      'acme/web 10.10.0.0/16',
      'ip route show',
      { routes: [{ destination: '10.10.9.0/24', interface: 'tun0' }] },
    ],
    ['link-manager', 'NetworkManager', 'nmcli', { linkManagers: [{ name: 'NetworkManager', told: false }] }],
    [
      'udev-rule',
      '/etc/udev/rules.d/70-net.rules',
      'KERNEL!="w[cu]*"',
      {
        udevRules: [{ file: '/etc/udev/rules.d/70-net.rules', rule: 'SUBSYSTEM=="net", ACTION=="add", NAME="lan%n"' }],
      },
    ],
    [
      'connections-nearly-full',
      'net.netfilter.nf_conntrack_max',
      'sysctl -w',
      { connections: { used: 900, most: 1_000 } },
    ],
    [
      'neighbours-too-few',
      'net.ipv6.neigh.default.gc_thresh3',
      'sysctl -w',
      { neighbourLimits: { ipv4: 1_024, ipv6: 8 } },
    ],
  ])('find %s: %s, and say what to do', (code, object, command, changes) => {
    const [found, ...others] = check(changes);
    expect(others).toEqual([]);
    expect(found).toMatchObject({ code, object, node: 'host1' });
    expect(found?.command).toContain(command);
    expect(found?.evidence).not.toBe('');
  });

  it('count the overlay’s overhead by the family of the VTEPs', () => {
    expect(check({}, { family: 6 }).map(({ code }) => code)).toEqual(['mtu-too-small']);
  });

  it('warn before a bridge is full', () => {
    const limits = { ipv4: 8_192, ipv6: 8_192 };
    expect(check({ neighbourLimits: limits }, { endpoints: 899 })).toEqual([]);
    expect(check({ neighbourLimits: limits }, { endpoints: 900 }).map(({ code }) => code)).toEqual([
      'bridge-nearly-full',
    ]);
  });
});

describe('what a daemon says of itself', () => {
  const since = '2026-01-01T00:00:00.000Z';

  it('is a finding with the command it names, or the one for its kind', () => {
    const [known, said] = conditionFindings('host1', [
      { type: 'certificate-late', object: 'host1', message: 'they end', since },
      { type: 'addresses-running-low', object: 'acme/web', message: '80 %; next: weft network extend acme/web', since },
    ]);
    expect(known).toMatchObject({ code: 'certificate-late', node: 'host1', command: 'weft node rotate' });
    expect(said).toMatchObject({ evidence: `80 % (since ${since})`, command: 'weft network extend acme/web' });
  });

  it('is none when it is only to be known', () => {
    expect(conditionFindings('host1', [{ type: 'foreign-rules', object: 'x', message: 'y', since }])).toEqual([]);
  });
});

describe('a rule of udev', () => {
  const found = (rule: string) => check({ udevRules: [{ file: '/etc/udev/rules.d/x.rules', rule }] }).length;

  it.each([
    'SUBSYSTEM=="net", ACTION=="add", RUN+="/usr/local/bin/hook %k"',
    'SUBSYSTEM=="net", KERNEL=="w*", NAME="wlan0"',
    'ACTION=="add|change", SUBSYSTEM=="net", KERNEL!="lo", RUN{program}+="/bin/true"',
  ])('that is about every link meddles: %s', (rule) => expect(found(rule)).toBe(1));

  it.each([
    'SUBSYSTEM=="net", ACTION=="add", ATTR{address}=="52:54:00:12:34:56", NAME="lan0"',
    'SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", KERNEL=="eth*", NAME="lan0"',
    'SUBSYSTEM=="net", KERNEL=="enp*", RUN+="/bin/true"',
    'SUBSYSTEM=="net", KERNEL!="w[cu]*", ACTION=="add", RUN+="/bin/true"',
    'SUBSYSTEM=="net", ACTION=="remove", RUN+="/bin/true"',
    'SUBSYSTEM=="net", ACTION=="add", TAG+="systemd"',
    'SUBSYSTEM=="block", RUN+="/bin/true"',
  ])('that is about others, or does nothing to a link, is left alone: %s', (rule) => expect(found(rule)).toBe(0));
});

describe('the clock of another host', () => {
  const told = (ahead: number, way: number) =>
    clockTold(
      'host2',
      { began: 10_000 + ahead + way, ended: 13_000 + ahead + way },
      { sent: 10_000, received: 13_000 + 2 * way },
    );

  it('is not blamed for the time an answer took, nor for what certificates bear', () => {
    expect(checkClocks('host1', [told(0, 0), told(0, 4_000), told(1_900, 10), told(-1_900, 10)])).toEqual([]);
  });

  it('is found to be ahead or behind, however long the answer took', () => {
    const [ahead, behind] = checkClocks('host1', [told(60_000, 20), told(-2_500, 20)]);
    expect(ahead).toMatchObject({ code: 'clock-offset', node: 'host2', object: 'the clock of host2' });
    expect(ahead?.evidence).toContain('60.0 s or more ahead of that of host1');
    expect(behind?.evidence).toContain('2.5 s or more behind');
    expect(behind?.command).toContain('timedatectl set-ntp true');
  });
});
