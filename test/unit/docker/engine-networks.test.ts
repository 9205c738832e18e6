import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import type { EngineNetwork } from '../../../src/control/engines/port.ts';
import type { DockerNetwork } from '../../../src/engines/docker/engine/api.ts';
import { sightingOf } from '../../../src/engines/docker/engine/containers.ts';
import { creationOf, planStep } from '../../../src/engines/docker/engine/networks.ts';

const SELF = { driver: 'weft', cluster: 'C1' };

const wanted = (id: string, changes: Partial<EngineNetwork> = {}): EngineNetwork => ({
  id,
  name: `acme.${id}`,
  tenant: 'acme',
  network: id,
  subnets: [{ cidr: '10.1.0.0/16', gateway: '10.1.0.1' }],
  internal: false,
  wish: 'present',
  force: false,
  bound: [],
  ...changes,
});

const docker = (Id: string, Name: string, changes: Partial<DockerNetwork> = {}): DockerNetwork => ({
  Id,
  Name,
  Driver: 'weft',
  Labels: {},
  ...changes,
});

const labelled = (id: string, cluster = 'C1') => ({ Labels: { 'weft.network': id, 'weft.cluster': cluster } });

describe('planStep', () => {
  it('makes what is missing', () => {
    expect(planStep([wanted('a')], [], SELF)).toMatchObject({ create: [{ id: 'a' }], remove: [], problems: [] });
  });

  it('leaves what is there, and ties a binding that was lost', () => {
    const step = planStep([wanted('a')], [docker('d1', 'acme.a', labelled('a'))], SELF);
    expect(step).toEqual({ create: [], remove: [], claim: [{ engineId: 'd1', network: 'a' }], problems: [] });
  });

  it('takes a user’s own network of that name, bound to ours, for it', () => {
    const step = planStep([wanted('a', { bound: ['d1'] })], [docker('d1', 'acme.a')], SELF);
    expect(step).toEqual({ create: [], remove: [], claim: [], problems: [] });
  });

  it('does not make again what a user removed', () => {
    expect(planStep([wanted('a', { wish: 'declined' })], [], SELF).create).toEqual([]);
  });

  it('does not make again what the engine may be about to remove, which its driver hears of last', () => {
    const a = wanted('a', { bound: ['d1'] });
    expect(planStep([a], [], { ...SELF, leaving: new Set(['d1']) }).create).toEqual([]);
    expect(planStep([a], [], { ...SELF, leaving: new Set(['d2']) }).create).toEqual([a]);
  });

  it('reports a foreign network in the way and leaves it', () => {
    const step = planStep([wanted('a')], [docker('d1', 'acme.a', { Driver: 'bridge' })], SELF);
    expect(step).toMatchObject({ create: [], remove: [], problems: [{ name: 'acme.a' }] });
  });

  it('finds ours behind a foreign one of the same name, as engines before 25 may have it', () => {
    const present = [docker('d1', 'acme.a', { Driver: 'bridge' }), docker('d2', 'acme.a', labelled('a'))];
    const step = planStep([wanted('a')], present, SELF);
    expect(step).toEqual({ create: [], remove: [], claim: [{ engineId: 'd2', network: 'a' }], problems: [] });
  });

  it('says what a network of IPv6 alone needs of an engine that does not know any', () => {
    const network = wanted('a', { subnets: [{ cidr: 'fd00::/64', gateway: 'fd00::1' }] });
    for (const version of ['20.10.24+dfsg1', '27.5.1']) {
      const { create, problems } = planStep([network], [], { ...SELF, version });
      expect(create).toEqual([]);
      expect(problems).toEqual([
        {
          name: 'acme.a',
          reason: `Docker ${version} gives every network an IPv4 subnet, and acme/a has none`,
          next: expect.stringMatching(/Docker 28 .* weft network extend acme\/a --subnet CIDR/) as string,
        },
      ]);
    }
    for (const version of ['28.0.0', '29.1.3', '']) {
      expect(planStep([network], [], { ...SELF, version })).toMatchObject({ create: [{ id: 'a' }], problems: [] });
    }
    const present = [docker('d1', 'acme.a', labelled('a'))];
    expect(planStep([network], present, { ...SELF, version: '27.5.1' }).problems).toEqual([]);
  });

  it('removes what bears our label and belongs to no network any more, of this cluster only', () => {
    const present = [docker('d1', 'acme.a', labelled('a')), docker('d2', 'acme.b', labelled('b', 'C2'))];
    expect(planStep([], present, SELF).remove).toEqual([{ id: 'd1', name: 'acme.a', disconnect: false }]);
  });

  it('ends a user’s own network only when the deletion of ours is forced on it', () => {
    const present = [docker('d1', 'mine')];
    expect(planStep([], present, SELF).remove).toEqual([]);
    const leaving = wanted('a', { wish: 'absent', force: true, bound: ['d1'] });
    expect(planStep([leaving], present, SELF).remove).toEqual([{ id: 'd1', name: 'mine', disconnect: true }]);
  });

  it('is done after one round: what it makes and removes leaves nothing to do', () => {
    const ids = fc.constantFrom('a', 'b', 'c');
    const network = fc.record({ id: ids, wish: fc.constantFrom('present', 'declined', 'absent') });
    const present = fc.record({ id: ids, label: fc.boolean(), driver: fc.constantFrom('weft', 'bridge') });
    fc.assert(
      fc.property(
        fc.uniqueArray(network, { selector: ({ id }) => id }),
        fc.uniqueArray(present, { selector: ({ id }) => id }),
        (networks, engine) => {
          const wishes = networks.map(({ id, wish }) => wanted(id, { wish }));
          const before = engine.map(({ id, label, driver }) =>
            docker(`d${id}`, `acme.${id}`, { Driver: driver, ...(label ? labelled(id) : {}) }),
          );
          const step = planStep(wishes, before, SELF);
          const after = [
            ...before.filter(({ Id }) => !step.remove.some(({ id }) => id === Id)),
            ...step.create.map((one) => docker(`new-${one.id}`, one.name, labelled(one.id))),
          ];
          const next = planStep(wishes, after, SELF);
          expect([next.create, next.remove]).toEqual([[], []]);
          // names stay unique, and nothing without our label or driver is touched
          expect(new Set(after.map(({ Name }) => Name)).size).toBe(after.length);
          for (const { id } of step.remove) {
            expect(before.find(({ Id }) => Id === id)).toMatchObject({
              Driver: 'weft',
              Labels: { 'weft.cluster': 'C1' },
            });
          }
        },
      ),
    );
  });
});

describe('creationOf', () => {
  it('gives Docker subnets, gateways and names, so that --ip works and the right pool is found', () => {
    const subnets = [
      { cidr: '10.1.0.0/16', gateway: '10.1.0.1' },
      { cidr: 'fd00::/64', gateway: 'fd00::1' },
    ];
    expect(creationOf(wanted('a', { subnets, internal: true }), { ...SELF, engine: 'E1' })).toEqual({
      Name: 'acme.a',
      Driver: 'weft',
      Internal: true,
      EnableIPv4: true,
      EnableIPv6: true,
      IPAM: {
        Driver: 'weft',
        Config: [
          { Subnet: '10.1.0.0/16', Gateway: '10.1.0.1' },
          { Subnet: 'fd00::/64', Gateway: 'fd00::1' },
        ],
        Options: { tenant: 'acme', network: 'a' },
      },
      Options: { tenant: 'acme', network: 'a', 'weft.engine': 'E1' },
      Labels: { 'weft.network': 'a', 'weft.cluster': 'C1', 'weft.name': 'acme/a' },
    });
  });
});

describe('sightingOf', () => {
  const container = {
    Id: 'c'.repeat(64),
    Names: ['/other/alias', '/web'],
    Image: 'box',
    State: 'running',
    Labels: { 'com.docker.compose.project': 'shop', 'weft.label.app': 'chosen', app: 'plain', 'weft.label.': 'x' },
    NetworkSettings: {
      Networks: { n: { NetworkID: 'n1', EndpointID: 'e1' }, idle: { NetworkID: 'n2', EndpointID: '' } },
    },
  };

  it('names the container as its user does, and takes weft.label.* before plain labels', () => {
    expect(sightingOf(container)).toEqual({
      container: { id: container.Id, name: 'web', image: 'box', project: 'shop' },
      labels: { 'com.docker.compose.project': 'shop', app: 'chosen' },
      endpoints: [{ engineId: 'n1', endpointId: 'e1' }],
    });
  });

  it.each(['running', 'paused', 'restarting'])('sees the endpoints of a container that is %s', (State) => {
    expect(sightingOf({ ...container, State }).endpoints).toEqual([{ engineId: 'n1', endpointId: 'e1' }]);
  });

  it.each(['exited', 'created', 'dead', 'removing', ''])(
    'sees none on one that is "%s", whatever the list says',
    (State) => {
      expect(sightingOf({ ...container, State }).endpoints).toEqual([]);
    },
  );
});
