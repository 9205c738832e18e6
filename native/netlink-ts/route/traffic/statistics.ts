/** What a qdisc or an action has counted: TCA_STATS2 (linux/gen_stats.h). */
import { DecodeError } from '../../errors.ts';
import { readAttributes } from '../../wire/attributes.ts';
import type { Attribute, AttributeReader } from '../../wire/attributes.ts';

const TCA_STATS_BASIC = 1;
const TCA_STATS_QUEUE = 3;
const TCA_STATS_PKT64 = 8;
const BASIC_LENGTH = 12;
const QUEUE_LENGTH = 20;

export interface TrafficStatistics {
  bytes: bigint;
  /** of 32 bits, and begins again, before kernel 5.5 */
  packets: bigint;
  /** packets that wait */
  queueLength: number;
  /** bytes that wait */
  backlog: number;
  drops: number;
  /** times that a packet had to wait */
  overlimits: number;
  requeues: number;
  other: Attribute[];
}

export function decodeTrafficStatistics(buffer: Buffer): TrafficStatistics {
  const found: TrafficStatistics = {
    bytes: 0n,
    packets: 0n,
    queueLength: 0,
    backlog: 0,
    drops: 0,
    overlimits: 0,
    requeues: 0,
    other: [],
  };
  let packets: bigint | undefined;
  readAttributes('statistics', buffer, (reader) => {
    if (reader.type === TCA_STATS_BASIC) basic(atLeast(reader, BASIC_LENGTH), found);
    else if (reader.type === TCA_STATS_QUEUE) queue(atLeast(reader, QUEUE_LENGTH), found);
    else if (reader.type === TCA_STATS_PKT64) packets = reader.u64();
    else found.other.push({ type: reader.type, data: Buffer.from(reader.bytes()) });
  });
  if (packets !== undefined) found.packets = packets;
  return found;
}

function basic(data: Buffer, found: TrafficStatistics): void {
  found.bytes = data.readBigUInt64LE(0);
  found.packets = BigInt(data.readUInt32LE(8));
}

function queue(data: Buffer, found: TrafficStatistics): void {
  found.queueLength = data.readUInt32LE(0);
  found.backlog = data.readUInt32LE(4);
  found.drops = data.readUInt32LE(8);
  found.requeues = data.readUInt32LE(12);
  found.overlimits = data.readUInt32LE(16);
}

function atLeast(reader: AttributeReader, length: number): Buffer {
  const data = reader.bytes();
  if (data.length < length) throw new DecodeError(`attribute ${reader.type} has ${data.length} bytes, not ${length}`);
  return data;
}
