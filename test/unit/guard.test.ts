import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ClusterSettings, ClusterState } from '../../src/model/cluster.ts';
import type { Binding, Endpoint, Network, Node } from '../../src/model/objects.ts';
import { compileRuleset, memberElements } from '../../src/kernel/guard-tables.ts';
import { planGuard } from '../../src/plan/guard.ts';
import type { HostGuardIntent } from '../../src/plan/ruleset.ts';

const settings: ClusterSettings = {
  id: 'C',
  overlayPort: 14789,
  vtepFamily: 4,
  vniFirst: 0x100000,
  vniLast: 0xffffff,
  createdAt: '',
};

function node(id: string, vtep: string): Node {
  return { id, name: id, vtep, underlayMtu: 1500, bootId: '', version: '', createdAt: '' };
}

function network(id: string, vni: number): Network {
  return { id, tenant: 'T', name: id, vni, subnets: [], internal: false, mtu: 1450, origin: 'user', createdAt: '' };
}

function endpoint(id: string, at: { network: string; node: string; mac: string }): Endpoint {
  return {
    ...at,
    id,
    name: id,
    tenant: 'T',
    bootId: '',
    addresses: [],
    mtu: 1450,
    engine: { type: 'manual', networkId: '', endpointId: '', container: null },
    attachment: { mode: 'engine', sandbox: null },
    labels: {},
    createdAt: '',
  };
}

function binding(of: string, at: string): Binding {
  return { network: of, node: at, engine: 'docker', engineId: 'e', createdAt: '' };
}

function byId<T extends { id: string }>(items: T[]): Map<string, T> {
  return new Map(items.map((item) => [item.id, item]));
}

const endpoints = [
  endpoint('own', { network: 'N1', node: 'A', mac: '02:00:00:00:00:01' }),
  endpoint('b1', { network: 'N1', node: 'B', mac: '02:00:00:00:00:02' }),
  endpoint('c1', { network: 'N1', node: 'C', mac: '02:00:00:00:00:03' }),
  endpoint('b2', { network: 'N2', node: 'B', mac: '02:00:00:00:00:02' }),
  endpoint('b3', { network: 'N3', node: 'B', mac: '02:00:00:00:00:04' }),
];

function state(order: Endpoint[] = endpoints, bindings: Binding[] = []): ClusterState {
  return {
    revision: 1,
    sequence: 0,
    tenants: new Map(),
    networks: byId([network('N1', 0x100001), network('N2', 0x100002), network('N3', 0x100003)]),
    nodes: byId([node('A', '192.0.2.1'), node('B', '192.0.2.2'), node('C', '192.0.2.3')]),
    live: new Set(),
    endpoints: byId(order),
    bindings: new Map(bindings.map((item, i) => [String(i), item])),
    addresses: new Map(),
    blocks: new Map(),
    unpublished: new Set(),
    descriptions: new Map(),
    engines: new Map(),
    egress: new Map(),
    egressHolders: new Map(),
    routers: new Map(),
    shared: new Map(),
    revisions: new Map(),
  };
}

describe('planGuard', () => {
  test('lets in the endpoints of other nodes in the networks that the node has endpoints in', () => {
    expect(planGuard(state(), 'A', settings)).toEqual({
      kind: 'host-guard',
      vtep: '192.0.2.1',
      overlayPort: 14789,
      members: [
        { source: '192.0.2.2', vni: 0x100001, mac: '02:00:00:00:00:02' },
        { source: '192.0.2.3', vni: 0x100001, mac: '02:00:00:00:00:03' },
      ],
    });
  });

  test('a binding is enough to take part in a network; the lease of the other node does not matter', () => {
    const vnis = planGuard(state(endpoints, [binding('N2', 'A')]), 'A', settings).members.map(({ vni }) => vni);
    expect(vnis).toEqual([0x100001, 0x100002, 0x100001]);
    expect(planGuard(state(endpoints, [binding('N2', 'C')]), 'A', settings).members).toHaveLength(2);
  });

  test('nobody may send to a node without networks', () => {
    expect(planGuard(state(endpoints.slice(1)), 'A', settings).members).toEqual([]);
  });

  test('an endpoint whose network or node is not known yet, or whose VTEP is of another family, is left out', () => {
    const strange = state([...endpoints, endpoint('x', { network: 'N1', node: 'Z', mac: '02:00:00:00:00:09' })]);
    expect(planGuard(strange, 'A', settings).members).toHaveLength(2);
    expect(planGuard(state(), 'A', { ...settings, vtepFamily: 6 }).members).toEqual([]);
  });

  test('a node without a record is a fault, not a guard that lets nothing in', () => {
    expect(() => planGuard(state(), 'Z', settings)).toThrow(/no record of node Z/);
  });

  test('the order of the state does not matter', () => {
    const expected = planGuard(state(), 'A', settings);
    fc.assert(
      fc.property(fc.shuffledSubarray(endpoints, { minLength: endpoints.length }), (order) => {
        expect(planGuard(state(order), 'A', settings)).toEqual(expected);
      }),
    );
  });
});

describe('the host guard as nftables', () => {
  const intent: HostGuardIntent = {
    kind: 'host-guard',
    vtep: '192.0.2.1',
    overlayPort: 14789,
    members: [
      { source: '192.0.2.9', vni: 0x100001, mac: '02:0a:0b:0c:0d:0e' },
      { source: '10.0.0.1', vni: 0xffffff, mac: '02:00:00:00:00:01' },
    ],
  };

  test('a member is its outer source, VNI and MAC, each filling whole registers', () => {
    expect(memberElements(intent)).toEqual([
      { key: '0a000001ffffff000200000000010000' },
      { key: 'c000020910000100020a0b0c0d0e0000' },
    ]);
    const ipv6 = {
      ...intent,
      vtep: '2001:db8::1',
      members: [{ source: '2001:db8::9', vni: 1, mac: '02:00:00:00:00:01' }],
    };
    expect(memberElements(ipv6)).toEqual([{ key: '20010db8000000000000000000000009000001000200000000010000' }]);
  });

  test('what is known is accepted and the rest dropped, never the other way round', () => {
    const overlay = compileRuleset(intent).chains.find(({ name }) => name === 'overlay');
    const last = overlay?.rules.at(-1)?.expressions;
    expect(last).toEqual([{ kind: 'counter' }, { kind: 'verdict', verdict: 'drop' }]);
    expect(overlay?.rules.some(({ expressions }) => expressions.some((e) => e.kind === 'lookup' && e.invert))).toBe(
      false,
    );
  });

  test('every base chain runs before connection tracking and lets pass what is not ours', () => {
    for (const { base } of compileRuleset(intent).chains) {
      if (base) expect(base).toMatchObject({ type: 'filter', priority: -300, policy: 'accept' });
    }
  });

  test('a tenant namespace forwards nothing', () => {
    const [forward, ...others] = compileRuleset({ kind: 'tenant-guard', overlayPort: 14789 }).chains;
    expect(others).toEqual([]);
    expect(forward?.base).toEqual({ type: 'filter', hook: 'forward', priority: 0, policy: 'drop' });
  });
});
