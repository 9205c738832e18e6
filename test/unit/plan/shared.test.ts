import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { linkNames } from '../../../src/model/names.ts';
import { diff } from '../../../src/plan/diff.ts';
import { planPortGuard } from '../../../src/plan/port-guard/plan.ts';
import { planTenant } from '../../../src/plan/tenant.ts';
import { clusterSettings, StateBuilder } from '../../support/cluster-state.ts';

const NODES = ['one', 'two', 'three'] as const;
const SHARED = ['10.10.0.100', 'fd00:10::100'];

/** An endpoint on each node, named as the node. */
function states(): StateBuilder {
  const builder = new StateBuilder().tenant('acme');
  NODES.forEach((node, i) => builder.node(node, `192.0.2.${i + 1}`));
  builder.network('acme', 'web', { vni: 0x100000 });
  NODES.forEach((node, i) =>
    builder.endpoint('acme-web', node, {
      node,
      addresses: [`10.10.0.${i + 2}/16`],
      attachment: { mode: 'sandbox', path: `/${node}`, ifname: 'eth0' },
    }),
  );
  return builder;
}

function planned(builder: StateBuilder, node: string) {
  return planTenant(builder.build(), { node, settings: clusterSettings(), tenant: 'acme' })!.objects;
}

function neighbours(builder: StateBuilder, node: string) {
  return planned(builder, node).filter((one) => one.kind === 'neighbour' && SHARED.includes(one.address));
}

function guard(builder: StateBuilder, node: string) {
  const { ports, known } = planPortGuard(builder.build(), { tenant: 'acme', node });
  const port = ports.find((one) => one.port === linkNames.port(node))!;
  return { addresses: port.addresses.filter((one) => SHARED.includes(one)), claims: port.claims ?? [], known };
}

describe('a shared address', () => {
  it('leads to its holder on every host', () => {
    const builder = states();
    for (const address of SHARED) builder.share('acme-web', address, ['one', 'two']);
    const { mac } = builder.endpoints.get('one')!;
    for (const node of NODES) {
      const link = linkNames.bridge(0x100000);
      const expected = SHARED.map((address) => ({ kind: 'neighbour', link, address, mac, announced: true }));
      expect(neighbours(builder, node)).toEqual(expected);
    }
  });

  it('moves by one change of an entry, and stays without any', () => {
    const before = planned(states().share('acme-web', '10.10.0.100', ['one', 'two'], 'one'), 'three');
    const after = planned(states().share('acme-web', '10.10.0.100', ['one', 'two'], 'two'), 'three');
    const observed = { objects: before.map((one) => ({ ...one, announced: undefined })), foreign: [] };
    expect(diff(before, observed)).toEqual([]);
    expect(diff(after, observed)).toMatchObject([
      { type: 'update', object: { kind: 'neighbour', address: '10.10.0.100', announced: true }, fields: ['mac'] },
    ]);
  });

  it('may be spoken from by those that may hold it, and claimed by those that do not', () => {
    const builder = states().share('acme-web', '10.10.0.100', ['one', 'two']);
    expect(guard(builder, 'one')).toMatchObject({ addresses: ['10.10.0.100'], claims: [] });
    expect(guard(builder, 'two')).toMatchObject({ addresses: ['10.10.0.100'], claims: ['10.10.0.100'] });
    expect(guard(builder, 'three')).toMatchObject({ addresses: [], claims: [] });
    for (const node of NODES) expect(guard(builder, node).known).toContain('10.10.0.100');
  });

  it('of a holder that is gone is nobody’s, and all others may claim it', () => {
    const builder = states().share('acme-web', '10.10.0.100', ['one', 'two']);
    builder.endpoints.delete('one');
    expect(neighbours(builder, 'three')).toEqual([]);
    expect(guard(builder, 'two').claims).toEqual(['10.10.0.100']);
  });

  it('that an endpoint has as its own is that endpoint’s alone', () => {
    const builder = states().share('acme-web', '10.10.0.4', ['one', 'two']);
    const entries = planned(builder, 'one').filter((one) => one.kind === 'neighbour' && one.address === '10.10.0.4');
    expect(entries).toMatchObject([{ mac: builder.endpoints.get('three')!.mac }]);
    expect(planPortGuard(builder.build(), { tenant: 'acme', node: 'one' }).ports[0]?.addresses).not.toContain(
      '10.10.0.4',
    );
  });

  it('has the same holder on all hosts, one at most, who alone does not claim it', () => {
    const some = fc.subarray([...NODES]);
    fc.assert(
      fc.property(some, fc.constantFrom(...NODES, null), some, (endpoints, holder, gone) => {
        const builder = states().share('acme-web', '10.10.0.100', endpoints, holder);
        for (const id of gone) builder.endpoints.delete(id);
        const left = endpoints.filter((id) => !gone.includes(id));
        const has = left.find((id) => id === holder);
        const mac = has && builder.endpoints.get(has)?.mac;
        for (const node of NODES.filter((id) => !gone.includes(id))) {
          expect(neighbours(builder, node).map((one) => 'mac' in one && one.mac)).toEqual(mac ? [mac] : []);
          const { addresses, claims } = guard(builder, node);
          expect(addresses.length).toBe(left.includes(node) ? 1 : 0);
          expect(claims.length).toBe(left.includes(node) && node !== has ? 1 : 0);
        }
      }),
    );
  });
});
