/** What an audit makes of pictures: nothing of a healthy cluster, and of each planted fault exactly that fault. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { auditCluster } from '../../../src/audit/cluster.ts';
import { auditNode } from '../../../src/audit/node.ts';
import { inOrderOfNodes, lasting } from '../../../src/model/finding.ts';
import type { Finding } from '../../../src/model/finding.ts';
import { keys } from '../../../src/model/keys.ts';
import { auditedCluster, SINCE } from '../../support/audited-cluster.ts';
import type { AuditedCluster } from '../../support/audited-cluster.ts';

const shapes = fc.record({
  nodes: fc.integer({ min: 2, max: 4 }),
  networks: fc.integer({ min: 1, max: 3 }),
  endpoints: fc.integer({ min: 1, max: 3 }),
});

function findings({ pictures, cluster }: AuditedCluster): Finding[] {
  return inOrderOfNodes([...pictures.flatMap(auditNode), ...auditCluster(cluster)]);
}

const mutable = <T>(list: readonly T[]) => list as T[];
const HOST2_FIRST = 'acme-net0-2-1';

interface Fault {
  plant: (cluster: AuditedCluster) => void;
  object: string;
  node?: string;
  /** where the title says more */
  code?: string;
}

/** A fault by the finding that must name it: code, node, object. */
const FAULTS: Record<string, Fault> = {
  'address-leaked': {
    plant: ({ pictures: [, two], state }) => {
      const key = keys.address('acme-net0', '10.10.9.9');
      const lost = { network: 'acme-net0', address: '10.10.9.9', state: 'bound', endpoint: 'gone' } as const;
      (state.addresses as Map<string, unknown>).set(key, { ...lost, node: 'host2', bootId: 'b', since: SINCE });
      mutable(two!.journal.differences).push({ key, state: 'unowned' });
    },
    node: 'host2',
    object: 'acme/net0 10.10.9.9',
  },
  'address-leaked, in a journal': {
    code: 'address-leaked',
    plant: ({ pictures: [, two] }) =>
      mutable(two!.journal.addresses).push({
        ...{ network: 'acme-net0', address: '10.10.2.200', state: 'bound', endpoint: 'gone', node: 'host2' },
        ...{ bootId: 'b', since: SINCE },
      }),
    node: 'host2',
    object: 'acme/net0 10.10.2.200',
  },
  'address-astray': {
    plant: ({ pictures: [, two] }) =>
      mutable(two!.journal.addresses).push({
        ...{ network: 'no-network', address: '10.10.2.200', state: 'resting', endpoint: null, node: 'host2' },
        ...{ bootId: 'b', since: SINCE },
      }),
    node: 'host2',
    object: 'no-network 10.10.2.200',
  },
  'endpoint-leaked': {
    plant: ({ pictures: [, two] }) =>
      mutable(two!.journal.differences).push({ key: keys.endpoint('acme-net0', HOST2_FIRST), state: 'unowned' }),
    node: 'host2',
    object: `acme/net0/${HOST2_FIRST}`,
  },
  'record-leaked': {
    plant: ({ pictures: [, two] }) =>
      mutable(two!.journal.differences).push({ key: keys.description('gone'), state: 'unowned' }),
    node: 'host2',
    object: keys.description('gone'),
  },
  'record-different': {
    plant: ({ pictures: [, two] }) =>
      mutable(two!.journal.differences).push({ key: keys.endpoint('acme-net0', HOST2_FIRST), state: 'different' }),
    node: 'host2',
    object: `acme/net0/${HOST2_FIRST}`,
  },
  'record-unpublished': {
    plant: ({ pictures: [, two] }) =>
      mutable(two!.journal.differences).push({ key: keys.endpoint('acme-net0', HOST2_FIRST), state: 'unpublished' }),
    node: 'host2',
    object: `acme/net0/${HOST2_FIRST}`,
  },
  'endpoint-without-address': {
    plant: ({ pictures: [, two] }) => {
      const { addresses } = two!.journal;
      mutable(addresses).splice(
        addresses.findIndex(({ endpoint }) => endpoint === HOST2_FIRST),
        1,
      );
    },
    node: 'host2',
    object: `acme/net0/${HOST2_FIRST}`,
  },
  'address-held-long': {
    plant: ({ pictures: [, two] }) =>
      mutable(two!.journal.addresses).push({
        ...{ network: 'acme-net0', address: '10.10.2.200', state: 'held', endpoint: null, node: 'host2', bootId: 'b' },
        since: '2025-12-31T00:00:00.000Z',
      }),
    node: 'host2',
    object: 'acme/net0 10.10.2.200',
  },
  'address-resting-long': {
    plant: ({ pictures: [, two] }) =>
      mutable(two!.journal.addresses).push({
        ...{
          network: 'acme-net0',
          address: '10.10.2.200',
          state: 'resting',
          endpoint: null,
          node: 'host2',
          bootId: 'b',
        },
        since: '2025-12-31T00:00:00.000Z',
      }),
    node: 'host2',
    object: 'acme/net0 10.10.2.200',
  },
  'binding-unknown-to-engine': {
    // Its containers are unknown, too, but on a network that the engine does not have nobody can look for them.
    plant: ({ pictures: [one] }) => mutable(one!.engine!.networks).splice(0, 1),
    node: 'host1',
    object: 'acme/net0',
  },
  'engine-network-unknown': {
    plant: ({ pictures: [one] }) => mutable(one!.engine!.networks).push({ engineId: 'stray', name: 'acme.stray' }),
    node: 'host1',
    object: 'acme.stray',
  },
  'endpoint-unknown-to-engine': {
    plant: ({ pictures: [one] }) => mutable(one!.engine!.endpoints).splice(0, 1),
    node: 'host1',
    object: 'acme/net0/acme-net0-1-1',
  },
  'engine-endpoint-unknown': {
    plant: ({ pictures: [one] }) =>
      mutable(one!.engine!.endpoints).push({ engineId: 'acme-net0', endpointId: 'stray', container: 'stray' }),
    node: 'host1',
    object: 'stray',
  },
  'sandbox-gone': {
    plant: ({ pictures: [, two] }) => {
      two!.kernel!.sandboxes.find(({ endpoint }) => endpoint === HOST2_FIRST)!.stands = false;
      // which its port follows
      two!.kernel!.drift.push({
        ...{ namespace: 'acme', object: 'link we1', state: 'missing' },
        fields: [],
        endpoint: HOST2_FIRST,
      });
    },
    node: 'host2',
    object: `acme/net0/${HOST2_FIRST}`,
  },
  'kernel-drift': {
    plant: ({ pictures: [one] }) =>
      one!.kernel!.drift.push({
        ...{ namespace: 'acme', object: 'fdb wx1 self 02:00:00:00:00:01', state: 'different' },
        fields: ['dst'],
        endpoint: '',
      }),
    node: 'host1',
    object: 'acme: fdb wx1 self 02:00:00:00:00:01',
  },
  'link-without-owner': {
    plant: ({ pictures: [one] }) => one!.kernel!.ownerlessLinks.push('wcleaked'),
    node: 'host1',
    object: 'wcleaked',
  },
  'link-foreign': {
    plant: ({ pictures: [one] }) => one!.kernel!.foreignLinks.push({ namespace: 'acme', name: 'we0' }),
    node: 'host1',
    object: 'acme: we0',
  },
  'namespace-missing': {
    plant: ({ pictures: [one] }) => one!.kernel!.missingNamespaces.push('acme'),
    node: 'host1',
    object: 'acme',
  },
  'namespace-stale': {
    plant: ({ pictures: [one] }) => one!.kernel!.staleNamespaces.push('left'),
    node: 'host1',
    object: 'left',
  },
  'address-twice': {
    plant: ({ cluster: { answers } }) =>
      mutable(answers[0]!.holdings).push({ network: 'acme-net0', address: '10.10.2.1', endpoint: 'twin' }),
    object: 'acme/net0 10.10.2.1',
  },
  'space-twice': {
    plant: ({ cluster: { answers } }) =>
      mutable(answers[0]!.space).push({ network: 'acme-net0', part: '10.10.2.128/25' }),
    object: 'acme/net0 10.10.2.128/25',
  },
  'record-without-owner': {
    plant: ({ state }) => {
      const record = { network: 'acme-net0', node: 'nobody', engine: 'docker', engineId: 'x', createdAt: SINCE };
      (state.bindings as Map<string, unknown>).set('bindings/acme-net0/nobody/docker/x', record);
    },
    object: 'bindings/acme-net0/nobody/docker/x',
  },
  'node-behind': {
    plant: ({ cluster: { answers } }) => (answers[1]!.applied.revision -= 1),
    node: 'host2',
    object: 'host2',
  },
};

describe('an audit', () => {
  it('finds nothing in a healthy cluster of any shape', () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        expect(findings(auditedCluster(shape))).toEqual([]);
      }),
    );
  });

  it.each(Object.keys(FAULTS))('finds %s, names it and nothing else, whatever the cluster’s shape', (title) => {
    const { plant, node = '', object, code = title } = FAULTS[title]!;
    fc.assert(
      fc.property(shapes, (shape) => {
        const cluster = auditedCluster(shape);
        plant(cluster);
        const found = findings(cluster);
        expect(found.map((finding) => [finding.code, finding.node, finding.object])).toEqual([[code, node, object]]);
        expect(found[0]!.evidence).not.toBe('');
        expect(found[0]!.command).not.toBe('');
      }),
    );
  });

  it('judges what a silent node holds by the store', () => {
    const { cluster, state } = auditedCluster({ nodes: 3, networks: 1, endpoints: 1 });
    const answers = cluster.answers.slice(0, 2);
    const silent = [{ node: 'host3', name: 'host3', live: false, reason: 'no route' }];
    const twin = { ...state.endpoints.get('acme-net0-3-1')!, id: 'twin', name: 'twin' };
    (state.endpoints as Map<string, unknown>).set('twin', twin);
    const lost = { network: 'acme-net0', address: '10.10.3.9', state: 'bound', endpoint: 'gone', node: 'host3' };
    (state.addresses as Map<string, unknown>).set(keys.address('acme-net0', '10.10.3.9'), lost);
    const found = auditCluster({ ...cluster, answers, silent });
    expect(found.map(({ code, object }) => `${code} ${object}`).sort()).toEqual([
      'address-leaked acme/net0 10.10.3.9',
      'address-twice acme/net0 10.10.3.1',
      'node-silent host3',
    ]);
    expect(found[0]!.command).toContain('weft node forget host3');
  });

  it('leaves a forgotten node’s records to those who collect them', () => {
    const { cluster, state } = auditedCluster({ nodes: 2, networks: 1, endpoints: 1 });
    (state.nodes as Map<string, unknown>).delete('host2');
    const answers = cluster.answers.slice(0, 1);
    expect(auditCluster({ ...cluster, answers, forgotten: new Set(['host2']) })).toEqual([]);
    const orphans = auditCluster({ ...cluster, answers });
    expect(new Set(orphans.map(({ code }) => code))).toEqual(new Set(['record-without-owner']));
  });

  it('keeps of two looks what both have, as the second saw it', () => {
    const of = (object: string, evidence: string) => ({ code: 'x', node: '', object, evidence, command: 'y' });
    expect(lasting([of('a', '1'), of('b', '1')], [of('b', '2'), of('c', '2')])).toEqual([of('b', '2')]);
  });
});
