import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { linkNames } from '../../../src/model/names.ts';
import { isLink, keyOf, UPLINK } from '../../../src/plan/objects.ts';
import { planTenant } from '../../../src/plan/tenant.ts';
import { clusterSettings, StateBuilder } from '../../support/cluster-state.ts';

const VNI = 0x100000;
const context = { node: 'one', settings: clusterSettings(), tenant: 'acme' };
const sandbox = (path: string) => ({ mode: 'sandbox', path, ifname: 'eth0' }) as const;

function twoNodes(): StateBuilder {
  return new StateBuilder()
    .tenant('acme')
    .tenant('beta')
    .node('one', '192.0.2.1')
    .node('two', '192.0.2.2')
    .network('acme', 'web', { vni: VNI });
}

describe('planTenant', () => {
  it('is nothing where nothing of the tenant is', () => {
    const states = twoNodes().endpoint('acme-web', 'b', {
      node: 'two',
      addresses: ['10.10.0.20/16'],
      attachment: sandbox('/b'),
    });
    expect(planTenant(states.build(), context)).toBeUndefined();
  });

  it('reaches every remote endpoint by entries, and floods to none', () => {
    const states = twoNodes()
      .endpoint('acme-web', 'a', { node: 'one', addresses: ['10.10.0.10/16'], attachment: sandbox('/a') })
      .endpoint('acme-web', 'b', {
        node: 'two',
        addresses: ['10.10.0.20/16', 'fd00:1::20/64'],
        attachment: sandbox('/b'),
      });
    const plan = planTenant(states.build(), context)!;
    const mac = states.endpoints.get('b')!.mac;
    const vxlan = linkNames.vxlan(VNI);
    expect(plan.objects).toContainEqual({ kind: 'fdb', link: vxlan, mac, via: 'self', dst: '192.0.2.2' });
    expect(plan.objects).toContainEqual({ kind: 'fdb', link: vxlan, mac, via: 'master', dst: null });
    const neighbours = plan.objects.flatMap((one) =>
      one.kind === 'neighbour' && one.mac === mac ? [one.address] : [],
    );
    expect(neighbours).toEqual(['10.10.0.20', 'fd00:1::20', expect.stringMatching(/^fe80::/)]);
    expect(plan.objects.find((one) => one.kind === 'vxlan')).toMatchObject({
      local: '192.0.2.1',
      flags: { learning: false, neighSuppress: true, unicastFlood: false, mcastFlood: false, bcastFlood: false },
    });
  });

  it('has other subnets of the network on the link of a container, in the families of its addresses', () => {
    const subnets = ['10.10.0.0/24', '10.11.0.0/24', 'fd00:1::/64', 'fd00:2::1:0/112'].map((cidr) => ({
      cidr,
      gateway: cidr.replace(/0?\/.*/, '1'),
      reserved: [],
    }));
    const at = (addresses: string[]) => ({ node: 'one', addresses, attachment: sandbox('/a') });
    const states = twoNodes()
      .network('acme', 'web', { vni: VNI, subnets })
      .endpoint('acme-web', 'a', at(['10.10.0.10/24']))
      .endpoint('acme-web', 'b', at(['10.11.0.10/24', 'fd00:1::3/64']));
    const { objects } = planTenant(states.build(), context)!;
    const links = objects.flatMap((one) => (one.kind === 'port' ? [one.peer?.links] : []));
    expect(links).toEqual([['10.11.0.0/24'], ['10.10.0.0/24', 'fd00:2::1:0/112']]);
    const gateways = objects.flatMap((one) =>
      one.kind === 'address' && one.link === linkNames.bridge(VNI) ? [one.cidr] : [],
    );
    expect(gateways).toHaveLength(4);
  });

  it('has the same bridge MAC on every host, no gateway on an internal network, and no port before the engine has joined', () => {
    const states = twoNodes()
      .network('acme', 'in', { vni: VNI + 1, internal: true })
      .binding('acme-web', 'one')
      .binding('acme-web', 'two')
      .binding('acme-in', 'one');
    states.endpoint('acme-web', 'e', {
      node: 'one',
      addresses: ['10.10.0.10/16'],
      attachment: { mode: 'engine', sandbox: null },
    });
    const state = states.build();
    const here = planTenant(state, context)!;
    const there = planTenant(state, { ...context, node: 'two' })!;
    const bridge = (objects: typeof here.objects) =>
      objects.find((one) => one.kind === 'bridge' && one.name === linkNames.bridge(VNI));
    expect(bridge(here.objects)).toEqual(bridge(there.objects));
    expect(here.objects.filter((one) => one.kind === 'address' && one.link !== UPLINK)).toEqual([
      { kind: 'address', link: linkNames.bridge(VNI), cidr: '10.10.0.1/16' },
    ]);
    expect(here.objects.some((one) => one.kind === 'port')).toBe(false);
  });

  it('gives every object a key of its own, its link in the same plan, and names the kernel can hold', () => {
    const id = fc.integer({ min: 2, max: 250 });
    fc.assert(
      fc.property(fc.uniqueArray(id, { maxLength: 12 }), fc.infiniteStream(fc.boolean()), (numbers, coins) => {
        const states = twoNodes().binding('acme-web', 'one');
        for (const n of numbers) {
          const node = coins.next().value ? 'one' : 'two';
          states.endpoint('acme-web', `e${n}`, { node, addresses: [`10.10.0.${n}/16`], attachment: sandbox(`/${n}`) });
        }
        const { objects } = planTenant(states.build(), context)!;
        expect(new Set(objects.map(keyOf)).size).toBe(objects.length);
        const links = objects.filter(isLink);
        for (const one of objects) if ('link' in one) expect(links.some((link) => link.name === one.link)).toBe(true);
        for (const link of links) expect(link.name.length).toBeLessThanOrEqual(15);
      }),
    );
  });
});
