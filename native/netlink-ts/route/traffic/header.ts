/** struct tcmsg, in front of every qdisc and filter (linux/rtnetlink.h), and the handles in it (linux/pkt_sched.h). */
import { DecodeError } from '../../errors.ts';
import { AF_UNSPEC } from '../constants.ts';

export const TRAFFIC_HEADER = 20;

export const TC_H_ROOT = 0xffffffff;
/** parent of the one clsact or ingress qdisc of a link */
export const TC_H_CLSACT = 0xfffffff1;
const MIN_INGRESS = 0xfff2;
const MIN_EGRESS = 0xfff3;
export const TC_H_INGRESS_HOOK = ((TC_H_CLSACT & 0xffff0000) | MIN_INGRESS) >>> 0;
export const TC_H_EGRESS_HOOK = ((TC_H_CLSACT & 0xffff0000) | MIN_EGRESS) >>> 0;

export const TCA_KIND = 1;
export const TCA_OPTIONS = 2;
export const TCA_STATS2 = 7;
export const TCA_CHAIN = 11;

export interface TrafficHeader {
  /** of the link */
  index: number;
  /** major << 16 | minor; a filter's own number */
  handle: number;
  parent: number;
  /** of a qdisc: how often it is used; of a filter: priority and protocol */
  info: number;
}

export function trafficHeader({ index, handle = 0, parent = 0, info = 0 }: Partial<TrafficHeader>): Buffer {
  const buffer = Buffer.alloc(TRAFFIC_HEADER);
  buffer.writeUInt8(AF_UNSPEC, 0);
  buffer.writeInt32LE(index ?? 0, 4);
  buffer.writeUInt32LE(handle >>> 0, 8);
  buffer.writeUInt32LE(parent >>> 0, 12);
  buffer.writeUInt32LE(info >>> 0, 16);
  return buffer;
}

export function readTrafficHeader(context: string, payload: Buffer): TrafficHeader {
  if (payload.length < TRAFFIC_HEADER) throw new DecodeError(`${context}: a header of ${payload.length} bytes`);
  return {
    index: payload.readInt32LE(4),
    handle: payload.readUInt32LE(8),
    parent: payload.readUInt32LE(12),
    info: payload.readUInt32LE(16),
  };
}
