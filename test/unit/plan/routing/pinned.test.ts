import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { linkNames } from '../../../../src/model/names.ts';
import type { EgressPin } from '../../../../src/model/objects.ts';
import { planGuard } from '../../../../src/plan/guard.ts';
import { gatewayMac } from '../../../../src/plan/routing/gateways.ts';
import { chosenLeader } from '../../../../src/plan/routing/pinned.ts';
import { planHostEgress, planPinnedAddresses, planTenantRouting } from '../../../../src/plan/routing/plan.ts';
import { planTenant } from '../../../../src/plan/tenant.ts';
import { clusterSettings, StateBuilder } from '../../../support/cluster-state.ts';

const VNI = 0x100000;
const settings = clusterSettings();
const PIN: EgressPin = { nodes: ['one', 'two'], addresses: ['192.0.2.50'], vni: VNI + 9 };
const NODES = ['one', 'two', 'three', 'four'];

function states(): StateBuilder {
  const builder = new StateBuilder().tenant('acme').tenant('beta');
  for (const [i, name] of NODES.entries()) builder.node(name, `192.0.2.${i + 1}`);
  return builder
    .network('acme', 'web', { vni: VNI })
    .network('acme', 'in', { vni: VNI + 1, internal: true })
    .network('beta', 'web', { vni: VNI + 2 })
    .binding('acme-web', 'three')
    .binding('beta-web', 'three')
    .egress('acme', { pin: PIN });
}

describe('the leader of a tenant’s packets', () => {
  it('is the first of the list that lives and is known, whatever else lives', () => {
    const nodes = states().nodes;
    const list = fc.shuffledSubarray([...NODES, 'gone'], { minLength: 1 });
    fc.assert(
      fc.property(list, fc.subarray([...NODES, 'gone']), (pinned, living) => {
        const leader = chosenLeader({ live: new Set(living), nodes }, { ...PIN, nodes: pinned });
        const candidates = pinned.filter((id) => living.includes(id) && nodes.has(id));
        expect(leader).toBe(candidates[0]);
        // Whoever fails that does not lead, and whoever comes behind the leader, changes nothing.
        const others = living.filter((id) => id === leader || pinned.indexOf(id) < pinned.indexOf(leader ?? ''));
        expect(chosenLeader({ live: new Set(others), nodes }, { ...PIN, nodes: pinned })).toBe(leader);
      }),
    );
  });

  it('alone has the address, and everybody sends to it, whatever the state', () => {
    fc.assert(
      fc.property(fc.option(fc.constantFrom(...NODES), { nil: undefined }), fc.boolean(), (holder, off) => {
        const builder = states().egress('acme', { pin: PIN, off });
        if (holder !== undefined) builder.leader('acme', holder);
        const state = builder.build();
        const leads = !off && holder !== undefined && PIN.nodes.includes(holder);
        const having = NODES.filter((node) => planPinnedAddresses(state, { node, settings }).length > 0);
        expect(having).toEqual(leads ? [holder] : []);
        const sending = NODES.filter((node) => {
          const objects = planTenant(state, { node, settings, tenant: 'acme' })?.objects ?? [];
          return objects.some(({ kind }) => kind === 'rule');
        });
        expect(sending).toEqual(leads ? ['one', 'two', 'three'].filter((node) => node !== holder) : []);
      }),
    );
  });
});

describe('the plan of pinned egress', () => {
  const state = states().leader('acme', 'one').build();

  it('leads packets of other hosts over a VNI of its own, whose next hop is the leader', () => {
    const link = linkNames.relay(PIN.vni);
    const { objects } = planTenant(state, { node: 'three', settings, tenant: 'acme' })!;
    const leader = planTenant(state, { node: 'one', settings, tenant: 'acme' })!.objects;
    const mac = leader.flatMap((object) => (object.kind === 'relay' ? [object.mac] : []))[0];
    expect(objects).toContainEqual({ kind: 'neighbour', link, address: '169.254.0.1', mac });
    expect(objects).toContainEqual({ kind: 'fdb', link, mac, via: 'self', dst: '192.0.2.1' });
    expect(objects.filter(({ kind }) => kind === 'rule')).toHaveLength(2);
    expect(
      planTenant(state, { node: 'three', settings, tenant: 'beta' })!.objects.map(({ kind }) => kind),
    ).not.toContain('relay');
    const out = (node: string) => planTenantRouting(state, 'acme', { node, settings })?.out;
    expect(out('three')?.elsewhere).toEqual({ link, families: [4] });
    expect(out('one')).toMatchObject({ bridges: [linkNames.bridge(VNI), link] });
    expect(out('one')?.elsewhere).toBeUndefined();
  });

  it('gives the address where it leads, and nowhere else', () => {
    const uplinks = (node: string) => planHostEgress(state, { node, settings })?.uplinks ?? [];
    expect(uplinks('one')).toMatchObject([{ pinned: [{ to: '192.0.2.50' }] }]);
    for (const node of ['two', 'three']) for (const { pinned } of uplinks(node)) expect(pinned).toBeUndefined();
  });

  it('lets members send what they have to send, and nobody else', () => {
    const members = (node: string) => planGuard(state, node, settings).members;
    const gateway = gatewayMac(state.networks.get('acme-web')!);
    // The leader and its successor take what host three leads out, and host three takes their answers.
    for (const node of ['one', 'two']) expect(members(node)).toMatchObject([{ source: '192.0.2.3', vni: PIN.vni }]);
    expect(members('three')).toEqual([
      { source: '192.0.2.1', vni: VNI, mac: gateway },
      { source: '192.0.2.2', vni: VNI, mac: gateway },
    ]);
    expect(members('four')).toEqual([]);
  });
});
