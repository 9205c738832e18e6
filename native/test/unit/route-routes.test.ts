/** Routes beyond the plain ones against captured bytes: types, onlink, MTU, gateways of the other family, nexthops. */
import { describe, expect, it } from 'vitest';
import {
  decodeRoute,
  encodeRoute,
  RTN_BLACKHOLE,
  RTN_PROHIBIT,
  RTN_UNREACHABLE,
} from '../../netlink-ts/route/route.ts';
import type { RouteSpec } from '../../netlink-ts/route/route.ts';
import { Captured } from './route-tree.ts';

const captured = new Captured('routes');
const WB0 = 4;
const RTPROT_BOOT = 3;
/** Where a table fits the header, iproute2 does not repeat it as an attribute. */
const RTA_TABLE = '15';
const shape = { header: 12, nested: ['8'], skip: [RTA_TABLE] };

const routes: Record<string, RouteSpec> = {
  blackhole: { destination: '10.50.0.0/16', type: RTN_BLACKHOLE, protocol: 177 },
  prohibit: { destination: '10.51.0.0/16', type: RTN_PROHIBIT, table: 1077, protocol: RTPROT_BOOT },
  onlink: { destination: '10.52.0.0/16', gateway: '192.0.2.7', oif: WB0, onlink: true, protocol: RTPROT_BOOT },
  mtu: {
    destination: '10.53.0.0/16',
    gateway: '10.1.0.9',
    oif: WB0,
    source: '10.1.0.1',
    mtu: 1400,
    metric: 9,
    protocol: RTPROT_BOOT,
  },
  via6: { destination: '10.54.0.0/16', gateway: 'fe80::7', oif: WB0, protocol: RTPROT_BOOT },
  unreachable6: { destination: 'fd00:50::/64', type: RTN_UNREACHABLE, metric: 5, protocol: RTPROT_BOOT },
};

it.each(Object.keys(routes))('%s is asked for as iproute2 does, and found as it was asked for', (name) => {
  const spec = routes[name]!;
  captured.same(encodeRoute(spec), name, shape);
  const found = captured.dumped((dump) => dump, decodeRoute);
  expect(found.filter(({ destination }) => destination === spec.destination)).toMatchObject([spec]);
});

describe('what the library does not read is kept', () => {
  const found = captured.dumped((dump) => dump, decodeRoute);
  const at = (destination: string) => found.find((route) => route.destination === destination);

  it('nexthops of a route with several', () => {
    expect(at('10.55.0.0/16')).toMatchObject({ other: [{ type: 9 }] });
  });

  it('metrics that are not the MTU, with it', () => {
    const route = at('10.56.0.0/16');
    expect(route).toMatchObject({ mtu: 1300, other: [{ type: 8 }] });
    // RTAX_LOCK names the MTU by its bit; RTAX_ADVMSS.
    const metrics = route?.other[0]?.data.toString('hex') ?? '';
    expect(metrics).toContain('0800010004000000');
    expect(metrics).toContain('08000800b0040000');
    expect(at('10.53.0.0/16')?.other).toEqual([]);
  });
});
