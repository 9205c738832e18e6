import { describe, expect, it } from 'vitest';
import { ClusterWakes } from '../../../src/control/wakes.ts';
import { keys } from '../../../src/model/keys.ts';
import type { Endpoint } from '../../../src/model/objects.ts';
import { StateBuilder } from '../../support/cluster-state.ts';

describe('what an endpoint’s change wakes', () => {
  const attachment = { mode: 'engine', sandbox: null } as const;
  const state = new StateBuilder()
    .tenant('acme')
    .node('one', '192.0.2.1')
    .network('acme', 'web', { vni: 7 })
    .endpoint('acme-web', 'a', { node: 'one', addresses: ['10.10.0.2/16'], attachment })
    .build();
  const wakes = new ClusterWakes();
  const changed = (change: Partial<Endpoint> | undefined) => {
    const endpoints = new Map(state.endpoints);
    if (change) endpoints.set('a', { ...state.endpoints.get('a')!, ...change });
    else endpoints.delete('a');
    return wakes
      .of({ keys: [keys.endpoint('acme-web', 'a')], revision: 2 }, { ...state, endpoints })
      .map(({ kind }) => kind);
  };
  const ports = [{ protocol: 'tcp', address: '', hostPort: 8080, port: 80 } as const];

  it('is its tenant, and every tenant where what it publishes became another', () => {
    expect(changed({})).toEqual(['tenant']);
    expect(changed({ ports })).toEqual(['tenant', 'all']);
    expect(changed({ ports, labels: { app: 'shop' } })).toEqual(['tenant']);
    expect(changed({ ports: [{ ...ports[0]!, hostPort: 8081 }] })).toEqual(['tenant', 'all']);
    expect(changed({})).toEqual(['tenant', 'all']);
    expect(changed({ ports })).toEqual(['tenant', 'all']);
    expect(changed(undefined)).toEqual(['tenant', 'all']);
    expect(changed(undefined)).toEqual(['tenant']);
  });
});
