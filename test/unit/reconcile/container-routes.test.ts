import pino from 'pino';
import { describe, expect, it } from 'vitest';
import { planTenant } from '../../../src/plan/tenant.ts';
import { ContainerRoutes } from '../../../src/reconcile/container-routes.ts';
import { clusterSettings, StateBuilder } from '../../support/cluster-state.ts';
import { FakeKernel } from '../../support/fake-kernel.ts';

const context = { node: 'one', settings: clusterSettings(), tenant: 'acme' };

function harness() {
  const kernel = new FakeKernel();
  const routes = new ContainerRoutes(kernel, pino({ level: 'silent' }));
  const states = new StateBuilder().tenant('acme').node('one', '192.0.2.1');
  const network = (...cidrs: string[]) =>
    states.network('acme', 'web', {
      vni: 0x100000,
      subnets: cidrs.map((cidr) => ({ cidr, gateway: cidr.replace(/0\/.*/, '1'), reserved: [] })),
    });
  const round = async () => {
    kernel.calls.length = 0;
    routes.want('acme', planTenant(states.build(), context)?.objects ?? []);
    await routes.settle();
    return [...kernel.calls];
  };
  network('10.10.0.0/24');
  const attachment = { mode: 'engine', sandbox: '/run/docker/netns/a' } as const;
  states.endpoint('acme-web', 'a', { node: 'one', addresses: ['10.10.0.10/24'], attachment });
  return { kernel, states, network, round };
}

describe('routes of containers that run', () => {
  it('are made once when their network gets a subnet, and not for networks that have one', async () => {
    const { network, round } = harness();
    expect(await round()).toEqual([]);
    network('10.10.0.0/24', '10.11.0.0/24');
    expect(await round()).toEqual(['route a 10.11.0.0/24']);
    expect(await round()).toEqual([]);
    network('10.10.0.0/24', '10.11.0.0/24', '10.12.0.0/24');
    expect(await round()).toEqual(['route a 10.11.0.0/24 10.12.0.0/24']);
  });

  it('are tried again while the interface is not in its sandbox, and when the container starts anew', async () => {
    const { kernel, states, network, round } = harness();
    network('10.10.0.0/24', '10.11.0.0/24');
    kernel.inSandbox = false;
    expect(await round()).toHaveLength(1);
    kernel.inSandbox = true;
    expect(await round()).toHaveLength(1);
    expect(await round()).toEqual([]);
    const attachment = { mode: 'engine', sandbox: '/run/docker/netns/b' } as const;
    states.endpoint('acme-web', 'a', { node: 'one', addresses: ['10.10.0.10/24'], attachment });
    expect(await round()).toHaveLength(1);
  });

  it('that the kernel refuses hold nothing up', async () => {
    const { kernel, network, round } = harness();
    network('10.10.0.0/24', '10.11.0.0/24');
    const works = kernel.routeOnLink.bind(kernel);
    kernel.routeOnLink = () => Promise.reject(new Error('no'));
    expect(await round()).toEqual([]);
    kernel.routeOnLink = works;
    expect(await round()).toHaveLength(1);
  });
});
