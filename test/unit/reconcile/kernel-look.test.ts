/** What an audit hears of a kernel: nothing of one that is as planned, each difference of one that is not. */
import { beforeEach, describe, expect, it } from 'vitest';
import { linkNames } from '../../../src/model/names.ts';
import { diff } from '../../../src/plan/diff.ts';
import { keyOf } from '../../../src/plan/objects.ts';
import { planTenant } from '../../../src/plan/tenant.ts';
import { lookAtKernel } from '../../../src/reconcile/kernel-look.ts';
import { clusterSettings, StateBuilder } from '../../support/cluster-state.ts';
import { FakeKernel } from '../../support/fake-kernel.ts';

const VNI = 0x100000;
const HERE = { node: 'one', settings: clusterSettings() };
const sandbox = (path: string) => ({ mode: 'sandbox', path, ifname: 'eth0' }) as const;
const state = new StateBuilder()
  .tenant('acme')
  .tenant('empty')
  .node('one', '192.0.2.1')
  .node('two', '192.0.2.2')
  .network('acme', 'web', { vni: VNI })
  .endpoint('acme-web', 'a', { node: 'one', addresses: ['10.10.0.10/16'], attachment: sandbox('/a') })
  .endpoint('acme-web', 'b', { node: 'two', addresses: ['10.10.0.20/16'], attachment: sandbox('/b') })
  .build();
const remote = `fdb ${linkNames.vxlan(VNI)} self ${state.endpoints.get('b')!.mac}`;

let kernel: FakeKernel;
const look = () => lookAtKernel(kernel, state, HERE);
const clean = {
  drift: [],
  sandboxes: [{ endpoint: 'a', path: '/a', stands: true }],
  ...{ missingNamespaces: [], staleNamespaces: [], ownerlessLinks: [], foreignLinks: [] },
};

beforeEach(async () => {
  kernel = new FakeKernel();
  await kernel.guardHost();
  await kernel.ensureNamespace('acme');
  const plan = planTenant(state, { ...HERE, tenant: 'acme' })!;
  await kernel.apply('acme', diff(plan.objects, { objects: [], foreign: [] }));
});

describe('a look at the kernel', () => {
  it('finds one as planned, and changes nothing', async () => {
    kernel.links.add(linkNames.container('a')).add(linkNames.uplink('acme'));
    const before = kernel.applied.length;
    expect(await look()).toEqual(clean);
    expect(kernel.applied.length).toBe(before);
  });

  it('names a wrong forwarding entry, a missing port and the endpoint whose it is', async () => {
    const world = kernel.worlds.get('acme')!;
    const entry = world.get(remote)!;
    world.set(remote, { ...entry, dst: '192.0.2.66' } as typeof entry);
    kernel.damage('acme', `link ${linkNames.port('a')}`);
    const { drift } = await look();
    expect(drift).toContainEqual({
      ...{ namespace: 'acme', object: remote },
      state: 'different',
      fields: ['dst'],
      endpoint: '',
    });
    const port = drift.find(({ object }) => object === `link ${linkNames.port('a')}`);
    expect(port).toMatchObject({ state: 'missing', endpoint: 'a' });
    expect(
      drift.filter(({ object }) => ![remote, port?.object].includes(object)).map(({ endpoint }) => endpoint),
    ).toEqual(['a']);
  });

  it('names what nobody planned', async () => {
    const extra = {
      kind: 'neighbour',
      link: linkNames.bridge(VNI),
      address: '10.10.9.9',
      mac: '02:00:00:00:00:09',
    } as const;
    kernel.worlds.get('acme')!.set(keyOf(extra), extra);
    kernel.worlds.set('left', new Map());
    kernel.links.add('wcleaked');
    kernel.gone.add('/a');
    kernel.guarded = false;
    expect(await look()).toMatchObject({
      sandboxes: [{ endpoint: 'a', stands: false }],
      staleNamespaces: ['left'],
      ownerlessLinks: ['wcleaked'],
    });
    const { drift } = await look();
    expect(drift.map(({ namespace, object }) => `${namespace}: ${object}`).sort()).toEqual([
      ': table host-guard',
      `acme: ${keyOf(extra)}`,
      'acme: table port-guard',
      'acme: table tenant-guard',
    ]);
  });

  it('misses the namespace of a tenant that has something here', async () => {
    kernel.worlds.clear();
    expect((await look()).missingNamespaces).toEqual(['acme']);
  });
});
