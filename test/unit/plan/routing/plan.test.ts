import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contains, parseCidr } from '../../../../src/model/address/cidr.ts';
import { parseAddress } from '../../../../src/model/address/address.ts';
import { linkNames } from '../../../../src/model/names.ts';
import { planGuard } from '../../../../src/plan/guard.ts';
import { bordersOf } from '../../../../src/plan/routing/borders.ts';
import { gatewayMac } from '../../../../src/plan/routing/gateways.ts';
import { planHostEgress, planTenantRouting } from '../../../../src/plan/routing/plan.ts';
import { placeTransits, TRANSIT4, transit6 } from '../../../../src/plan/routing/transit.ts';
import { planTenant } from '../../../../src/plan/tenant.ts';
import { clusterSettings, StateBuilder } from '../../../support/cluster-state.ts';

const VNI = 0x100000;
const settings = clusterSettings();
const one = { node: 'one', settings };
const bridges = (n: number) => linkNames.bridge(VNI + n);

function states(): StateBuilder {
  return new StateBuilder()
    .tenant('acme')
    .tenant('beta')
    .node('one', '192.0.2.1')
    .node('two', '192.0.2.2')
    .node('three', '192.0.2.3')
    .network('acme', 'web', { vni: VNI })
    .network('acme', 'db', { vni: VNI + 1 })
    .network('acme', 'in', { vni: VNI + 2, internal: true })
    .network('beta', 'web', { vni: VNI + 3 });
}

describe('transit addresses', () => {
  it('are distinct pairs of their ranges, and an older tenant keeps its own whoever comes', () => {
    const ids = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(ids, (tenants) => {
        const sorted = tenants.toSorted();
        const places = placeTransits(tenants, 'cluster');
        const ends = [...places.values()].flatMap(({ host, tenant }) => [host, tenant]);
        for (const family of ['ipv4', 'ipv6'] as const) {
          expect(new Set(ends.map((end) => end[family])).size).toBe(2 * tenants.length);
          const range = parseCidr(family === 'ipv4' ? TRANSIT4 : transit6('cluster'))!;
          for (const end of ends) expect(contains(range, parseAddress(end[family])!)).toBe(true);
        }
        expect([...placeTransits(sorted.slice(0, -1), 'cluster')]).toEqual(
          sorted.slice(0, -1).map((id) => [id, places.get(id)]),
        );
      }),
      { numRuns: 50 },
    );
  });
});

describe('the way out', () => {
  it('is that of networks that are here and not internal, of tenants that have one', () => {
    const here = states().binding('acme-web', 'one').binding('acme-in', 'one').binding('beta-web', 'two');
    expect(planTenantRouting(here.build(), 'acme', one)).toMatchObject({ routed: [], out: { bridges: [bridges(0)] } });
    expect(planTenantRouting(here.build(), 'beta', one)).toBeUndefined();
    expect(planHostEgress(here.build(), one)?.uplinks).toEqual([
      { link: linkNames.uplink('acme'), closed: false, allow: [] },
    ]);
    here.egress('acme', { off: true });
    expect(planTenantRouting(here.build(), 'acme', one)).toBeUndefined();
    expect(planHostEgress(here.build(), one)).toBeUndefined();
    const sysctls = planTenant(here.build(), { ...one, tenant: 'acme' })!.objects.filter(
      ({ kind }) => kind === 'sysctl',
    );
    expect(sysctls).toContainEqual({ kind: 'sysctl', path: 'net/ipv4/ip_forward', value: '0' });
  });

  it('ends at every address of every member, once, whatever else they lie in', () => {
    const state = states();
    state.nodes.set('two', {
      ...state.nodes.get('two')!,
      api: '[2001:db8::2]:7781',
      addresses: ['192.0.2.2', '198.51.100.2', '169.254.3.3'],
    });
    const { guarded } = bordersOf(state.build(), settings);
    for (const address of ['192.0.2.1/32', '192.0.2.2/32', '198.51.100.2/32', '2001:db8::2/128', '169.254.0.0/16']) {
      expect(guarded).toContain(address);
    }
    expect(guarded).toContain(transit6(settings.id));
    expect(guarded).not.toContain('169.254.3.3/32');
    expect(new Set(guarded).size).toBe(guarded.length);
  });

  it('with routed IPv6 leads a subnet to the tenant that was there first', () => {
    const subnets = [{ cidr: 'fd00:5::/64', gateway: 'fd00:5::1', reserved: [] }];
    const state = states()
      .network('acme', 'six', { vni: VNI + 4, subnets })
      .network('beta', 'six', { vni: VNI + 5, subnets })
      .egress('acme', { ipv6: 'routed' })
      .egress('beta', { ipv6: 'routed' })
      .binding('acme-six', 'one')
      .binding('beta-six', 'one')
      .build();
    const routes = (tenant: string) =>
      planTenant(state, { ...one, tenant })!.objects.flatMap((object) =>
        object.kind === 'uplink' ? object.end.routes.map(({ destination }) => destination) : [],
      );
    expect([routes('acme'), routes('beta')]).toEqual([['fd00:5::/64'], []]);
  });
});

describe('routers', () => {
  it('bring all their networks to every host of one, forward between each two, and to nobody else', () => {
    const state = states().router('acme', 'core', ['acme-db', 'acme-gone', 'acme-in', 'acme-web']);
    state.binding('acme-web', 'one').binding('acme-db', 'two').binding('beta-web', 'three');
    const plan = planTenant(state.build(), { ...one, tenant: 'acme' })!;
    expect(plan.objects.flatMap((object) => (object.kind === 'bridge' ? object.name : []))).toEqual([
      bridges(0),
      bridges(1),
    ]);
    expect(planTenantRouting(state.build(), 'acme', one)?.routed).toEqual([
      [bridges(0), bridges(1)],
      [bridges(1), bridges(0)],
    ]);
    expect(planTenant(state.build(), { node: 'three', settings, tenant: 'acme' })).toBeUndefined();
  });

  it('open the guard for the gateway’s MAC, from the hosts that route, on the networks that are the host’s own', () => {
    const state = states().router('acme', 'core', ['acme-db', 'acme-web']);
    state.binding('acme-web', 'one').binding('acme-db', 'two').binding('beta-web', 'three');
    const web = state.networks.get('acme-web')!;
    expect(planGuard(state.build(), 'one', settings).members).toEqual([
      { source: '192.0.2.2', vni: VNI, mac: gatewayMac(web) },
    ]);
    state.routers.clear();
    expect(planGuard(state.build(), 'one', settings).members).toEqual([]);
  });

  it('of one network that is left join nothing', () => {
    const state = states().router('acme', 'core', ['acme-gone', 'acme-web']).egress('acme', { off: true });
    state.binding('acme-web', 'one').binding('acme-web', 'two');
    expect(planTenantRouting(state.build(), 'acme', one)).toBeUndefined();
    expect(planGuard(state.build(), 'one', settings).members).toEqual([]);
  });
});
