/** What the checks of a host make of facts: nothing of a healthy host, and of each fault what it is and what to do. */
import { describe, expect, it } from 'vitest';
import { checkHost } from '../../../src/doctor/checks.ts';
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
  legacyTables: [],
  linkManagers: [{ name: 'systemd-networkd', told: true }],
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

const UNKNOWN: Partial<HostFacts> = {
  ...{ lackingModules: [], ways: [], routes: [], legacyTables: [], linkManagers: [] },
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
    ['iptables-legacy', 'ip filter, ip nat', 'iptables-nft', { legacyTables: ['ip filter', 'ip nat'] }],
    [
      'subnet-overlaps-route',
      'acme/web 10.10.0.0/16',
      'ip route show',
      { routes: [{ destination: '10.10.9.0/24', interface: 'tun0' }] },
    ],
    ['link-manager', 'NetworkManager', 'nmcli', { linkManagers: [{ name: 'NetworkManager', told: false }] }],
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
