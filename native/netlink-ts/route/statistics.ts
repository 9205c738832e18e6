/** What a link has counted: struct rtnl_link_stats64, on links (IFLA_STATS64) and alone (RTM_GETSTATS, kernel 4.7). */
import { DecodeError } from '../errors.ts';
import { readAttributes } from '../wire/attributes.ts';
import type { Attribute } from '../wire/attributes.ts';

/** struct if_stats_msg */
const HEADER = 12;
const IFLA_STATS_LINK_64 = 1;
const COUNTER = 8;

/** In the kernel's order (linux/if_link.h); it adds new ones at the end. */
const COUNTERS = [
  ...(['rxPackets', 'txPackets', 'rxBytes', 'txBytes', 'rxErrors', 'txErrors', 'rxDropped', 'txDropped'] as const),
  ...(['multicast', 'collisions', 'rxLengthErrors', 'rxOverErrors', 'rxCrcErrors', 'rxFrameErrors'] as const),
  ...(['rxFifoErrors', 'rxMissedErrors', 'txAbortedErrors', 'txCarrierErrors', 'txFifoErrors'] as const),
  ...(['txHeartbeatErrors', 'txWindowErrors', 'rxCompressed', 'txCompressed', 'rxNohandler'] as const),
  'rxOtherhostDropped',
] as const;

type Counter = (typeof COUNTERS)[number];

/** The last two are absent where the kernel does not count them (4.6, 5.19). */
export type LinkCounters = Record<Exclude<Counter, 'rxNohandler' | 'rxOtherhostDropped'>, bigint> & {
  rxNohandler?: bigint;
  rxOtherhostDropped?: bigint;
};

const ALWAYS = COUNTERS.length - 2;

export interface LinkStatistics {
  /** of the link */
  index: number;
  counters?: LinkCounters;
  other: Attribute[];
}

export function decodeLinkCounters(data: Buffer): LinkCounters {
  if (data.length < ALWAYS * COUNTER) throw new DecodeError(`counters of ${data.length} bytes`);
  const counters: Partial<Record<Counter, bigint>> = {};
  COUNTERS.forEach((name, i) => {
    if (data.length >= (i + 1) * COUNTER) counters[name] = data.readBigUInt64LE(i * COUNTER);
  });
  return counters as LinkCounters;
}

/** For a dump without an index. */
export function encodeStatisticsQuery(query: { index?: number }): Buffer {
  const header = Buffer.alloc(HEADER);
  header.writeUInt32LE(query.index ?? 0, 4);
  header.writeUInt32LE(1 << (IFLA_STATS_LINK_64 - 1), 8);
  return header;
}

export function decodeLinkStatistics(payload: Buffer): LinkStatistics {
  if (payload.length < HEADER) throw new DecodeError(`statistics: a header of ${payload.length} bytes`);
  const found: LinkStatistics = { index: payload.readUInt32LE(4), other: [] };
  readAttributes('statistics', payload.subarray(HEADER), (reader) => {
    if (reader.type === IFLA_STATS_LINK_64) found.counters = decodeLinkCounters(reader.bytes());
    else found.other.push({ type: reader.type, data: Buffer.from(reader.bytes()) });
  });
  return found;
}
