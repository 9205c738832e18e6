import { expect, it } from 'vitest';
import { PoolConditions } from '../../../src/control/pool-conditions.ts';
import type { AddressRecord } from '../../../src/model/objects.ts';
import { StateBuilder } from '../../support/cluster-state.ts';

/** A network with 100 addresses for endpoints, `count` of which are bound. */
function stateWith(count: number) {
  const states = new StateBuilder().tenant('acme').node('one', '192.0.2.1');
  const reserved = ['10.0.0.100', '10.0.0.101', '10.0.0.102/31', '10.0.0.104/29', '10.0.0.112/28'];
  states.network('acme', 'web', { vni: 1, subnets: [{ cidr: '10.0.0.0/25', gateway: '10.0.0.1', reserved }] });
  const record = (i: number): AddressRecord => ({
    network: 'acme-web',
    address: `10.0.0.${i + 2}`,
    state: 'bound',
    endpoint: null,
    node: 'one',
    bootId: 'b',
    since: '',
  });
  const addresses = new Map(Array.from({ length: count }, (_, i) => [`${i}`, record(i)]));
  return { ...states.build(), addresses };
}

it('a network that runs full is told of at 75 and at 90 percent, and no longer five percent below', () => {
  const conditions = new PoolConditions();
  let minute = 0;
  const look = (count: number) =>
    conditions
      .look(stateWith(count), new Date(Date.UTC(2026, 0, 1, 0, minute++)))
      .map(({ type, since }) => `${type} ${since.slice(14, 16)}`)
      .join();
  const capacity = 98;
  const percent = (value: number) => Math.ceil((value * capacity) / 100);
  expect(look(percent(74))).toBe('');
  expect(look(percent(75))).toBe('addresses-running-low 01');
  expect(look(percent(74))).toBe('addresses-running-low 01');
  expect(look(percent(90))).toBe('addresses-nearly-gone 03');
  expect(look(percent(86))).toBe('addresses-nearly-gone 03');
  expect(look(percent(84))).toBe('addresses-running-low 05');
  expect(look(percent(71))).toBe('addresses-running-low 05');
  expect(look(percent(69))).toBe('');
  expect(look(percent(74))).toBe('');
  expect(look(capacity)).toBe('addresses-nearly-gone 09');
  const [full] = conditions.look(stateWith(capacity), new Date());
  expect(full).toMatchObject({
    object: 'acme/web',
    message: `100 % of ${capacity} IPv4 addresses are used (${capacity} bound, 0 held, 0 resting); next: weft network extend acme/web --subnet CIDR`,
  });
});
