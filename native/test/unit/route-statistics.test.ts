/** RTM_GETSTATS against captured bytes, both ways. */
import { expect, it } from 'vitest';
import { DecodeError } from '../../netlink-ts/errors.ts';
import { decodeLinkCounters, decodeLinkStatistics, encodeStatisticsQuery } from '../../netlink-ts/route/statistics.ts';
import { Captured } from './route-tree.ts';

const captured = new Captured('statistics');
const WV0 = 6;

it('the question is that of iproute2', () => {
  captured.same(encodeStatisticsQuery({ index: WV0 }), 'stats', { header: 12, nested: [] });
});

it('the answer holds the counters of every link', () => {
  const found = captured.dumped((dump) => dump, decodeLinkStatistics);
  expect(found.map(({ index }) => index)).toEqual([1, 2, 4, 5, 6, 7, 8]);
  const counters = found.find(({ index }) => index === WV0)?.counters;
  // What `ip -s link show dev wv0` printed a moment later.
  expect(counters).toMatchObject({ rxPackets: 14n, rxBytes: 1120n, txPackets: 6n, txBytes: 516n, rxErrors: 0n });
  expect(Object.keys(counters ?? {})).toHaveLength(25);
});

it('kernels that count less, or more, are read as well', () => {
  const old = decodeLinkCounters(Buffer.alloc(23 * 8, 1));
  expect(old.txCompressed).toBe(0x0101010101010101n);
  expect(old).not.toHaveProperty('rxNohandler');
  expect(Object.keys(decodeLinkCounters(Buffer.alloc(30 * 8)))).toHaveLength(25);
  expect(() => decodeLinkCounters(Buffer.alloc(22 * 8))).toThrow(DecodeError);
});
