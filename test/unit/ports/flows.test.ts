import { IPS_DST_NAT } from 'netlink-ts';
import type { Flow } from 'netlink-ts';
import { describe, expect, it } from 'vitest';
import { isStale } from '../../../src/kernel/port-flows.ts';
import { socketsAt } from '../../../src/kernel/port-holder.ts';
import type { PortElement } from '../../../src/kernel/port-maps.ts';

const [HOST, OTHER] = ['192.0.2.1', '198.51.100.7'];
const target = (port: number) => ({ address: '169.254.64.1', port });
const element = (address: string | undefined, to: number): PortElement => ({
  ...{ family: 4, address, protocol: 6, port: 8080, target: target(to) },
});

/** `to`: where it is led, nowhere else when left out */
function flow(destination: string, to?: number): Flow {
  const original = { source: OTHER, destination, protocol: 6, sourcePort: 5, destinationPort: 8080 };
  const end = to === undefined ? { address: destination, port: 8080 } : target(to);
  const reply = { source: end.address, destination: OTHER, protocol: 6, sourcePort: end.port, destinationPort: 5 };
  const status = to === undefined ? 0 : IPS_DST_NAT;
  return { family: 4, original, reply, id: 1, zone: 0, status, mark: 0, other: [] };
}

const stale = (one: Flow, now: PortElement[], changed: PortElement[] = []) =>
  isStale(one, { changed: [...changed, ...now], now, locals: new Set([HOST]) });

describe('a tracked connection', () => {
  it('goes when it does not lead where its port leads now', () => {
    expect(stale(flow(HOST, 80), [element(undefined, 80)])).toBe(false);
    expect(stale(flow(HOST, 81), [element(undefined, 80)])).toBe(true);
    expect(stale(flow(HOST), [element(undefined, 80)])).toBe(true);
    expect(stale(flow('127.0.0.1'), [element(undefined, 80)])).toBe(true);
  });

  it('goes with its port, and stays when it is to a port of somebody else', () => {
    expect(stale(flow(HOST, 80), [], [element(undefined, 80)])).toBe(true);
    expect(stale(flow(HOST, 99), [], [element(undefined, 80)])).toBe(false);
    expect(stale(flow(HOST), [], [element(undefined, 80)])).toBe(false);
    expect(stale(flow('203.0.113.9'), [element(undefined, 80)])).toBe(false);
  });

  it('is judged by the port of its address where there is one', () => {
    const now = [element(undefined, 80), element(HOST, 81)];
    expect([stale(flow(HOST, 81), now), stale(flow(HOST, 80), now)]).toEqual([false, true]);
  });
});

describe('the holder of a port', () => {
  const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0
   1: 00000000:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12 1 0 100 0 0 10 0
   2: 010200C0:1F90 0100007F:9C40 06 00000000:00000000 00:00000000 00000000     0        0 13 1 0 100 0 0 10 0`;
  const at = (address: string, port: number) => socketsAt(TABLE, { protocol: 'tcp', address, port });

  it('is who listens there, or on all addresses, and nobody whose connection is closing', () => {
    expect([at('127.0.0.1', 8080), at('0.0.0.0', 8080), at('192.0.2.1', 8080)]).toEqual([['11'], ['11'], []]);
    expect([at('192.0.2.1', 8081), at('0.0.0.0', 8082)]).toEqual([['12'], []]);
  });

  const TABLE6 = `  sl  local_address                         remote_address                        st tx_queue inode
   0: B80D0120000000000000000001000000:1F90 00000000000000000000000000000000:0000 07 0:0 0:0 0 0 0 21 2
   1: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 07 0:0 0:0 0 0 0 22 2
   2: 0000000000000000FFFF00000100007F:1F90 00000000000000000000000000000000:0000 07 0:0 0:0 0 0 0 23 2
   3: 00000000000000000000000000000000:1F91 00000000000000000000000000000000:0000 07 0:0 0:0 0 0 0 24 2`;
  const at6 = (address: string, port = 8080) => socketsAt(TABLE6, { protocol: 'udp', address, port });

  it('has the very address of IPv6', () => {
    expect([at6('2001:db8::1'), at6('::1'), at6('2001:db8::2')]).toEqual([['21'], ['22'], []]);
    expect([at6('::'), at6('2001:db8::1', 8081)]).toEqual([['21', '22'], ['24']]);
  });

  it('is in the way of IPv4 by a socket of IPv6 only where that takes IPv4', () => {
    expect([at6('0.0.0.0'), at6('127.0.0.1'), at6('192.0.2.1')]).toEqual([['23'], ['23'], []]);
    expect(at6('0.0.0.0', 8081)).toEqual(['24']);
  });
});
