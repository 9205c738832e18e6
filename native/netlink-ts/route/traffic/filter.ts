/** Filters at the hooks of a link or in a qdisc: RTM_*TFILTER. Kinds with options of their own stand beside this file. */
import { AttributeWriter, readAttributes } from '../../wire/attributes.ts';
import type { Attribute } from '../../wire/attributes.ts';
import { decodeBpf, encodeBpf } from './bpf.ts';
import type { BpfFilter, BpfSpec } from './bpf.ts';
import {
  readTrafficHeader,
  TC_H_EGRESS_HOOK,
  TC_H_INGRESS_HOOK,
  TCA_CHAIN,
  TCA_KIND,
  TCA_OPTIONS,
  TRAFFIC_HEADER,
  trafficHeader,
} from './header.ts';
import { decodeMatchall, encodeMatchall } from './matchall.ts';
import type { MatchallFilter, MatchallSpec } from './matchall.ts';

export const ETH_P_ALL = 3;

/** A hook of a clsact qdisc, or the handle of another qdisc. */
export type FilterParent = 'ingress' | 'egress' | number;

export interface FilterReference {
  /** of the link */
  index: number;
  parent: FilterParent;
  /** the lower is asked first; 1 to 65535 */
  priority: number;
  /** ETH_P_*; every packet when left out. All filters of a priority have the same. */
  protocol?: number;
  /** of one filter among those of a priority; its kind has to be named with it */
  handle?: number;
  kind?: string;
}

export interface FilterSpec extends FilterReference {
  kind: 'bpf' | 'matchall' | (string & {});
  bpf?: BpfSpec;
  matchall?: MatchallSpec;
}

export interface Filter {
  index: number;
  parent: FilterParent;
  priority: number;
  protocol: number;
  chain: number;
  handle: number;
  kind: string;
  bpf?: BpfFilter;
  matchall?: MatchallFilter;
  /** with the options of kinds that this library does not read */
  other: Attribute[];
}

export function encodeFilter(spec: FilterSpec): Buffer {
  const writer = writerOf(spec).string(TCA_KIND, spec.kind);
  const { bpf, matchall } = spec;
  if (bpf) writer.nested(TCA_OPTIONS, (options) => encodeBpf(options, bpf));
  if (matchall) writer.nested(TCA_OPTIONS, (options) => encodeMatchall(options, matchall));
  return writer.finish();
}

export function encodeFilterReference(reference: FilterReference): Buffer {
  const writer = writerOf(reference);
  if (reference.kind !== undefined) writer.string(TCA_KIND, reference.kind);
  return writer.finish();
}

/** A dump's filter: the kernel wants both. */
export function encodeFilterQuery(query: { index: number; parent: FilterParent }): Buffer {
  return trafficHeader({ index: query.index, parent: parentNumber(query.parent) });
}

function writerOf({ index, parent, handle = 0, priority, protocol = ETH_P_ALL }: FilterReference): AttributeWriter {
  const info = ((priority << 16) | swap(protocol)) >>> 0;
  return new AttributeWriter().raw(trafficHeader({ index, handle, parent: parentNumber(parent), info }));
}

export function decodeFilter(payload: Buffer): Filter {
  const { index, handle, parent, info } = readTrafficHeader('filter', payload);
  const filter: Filter = {
    index,
    parent: parentOf(parent),
    priority: info >>> 16,
    protocol: swap(info & 0xffff),
    chain: 0,
    handle,
    kind: '',
    other: [],
  };
  let options: Buffer | undefined;
  readAttributes('filter', payload.subarray(TRAFFIC_HEADER), (reader) => {
    if (reader.type === TCA_KIND) filter.kind = reader.string();
    else if (reader.type === TCA_OPTIONS) options = reader.bytes();
    else if (reader.type === TCA_CHAIN) filter.chain = reader.u32();
    else filter.other.push({ type: reader.type, data: Buffer.from(reader.bytes()) });
  });
  if (options && filter.kind === 'bpf') filter.bpf = decodeBpf(options);
  else if (options && filter.kind === 'matchall') filter.matchall = decodeMatchall(options);
  else if (options) filter.other.push({ type: TCA_OPTIONS, data: Buffer.from(options) });
  return filter;
}

/** The protocol stands in network order within a number of the host's. */
function swap(protocol: number): number {
  return ((protocol & 0xff) << 8) | (protocol >> 8);
}

function parentNumber(parent: FilterParent): number {
  if (parent === 'ingress') return TC_H_INGRESS_HOOK;
  return parent === 'egress' ? TC_H_EGRESS_HOOK : parent;
}

function parentOf(number: number): FilterParent {
  if (number === TC_H_INGRESS_HOOK) return 'ingress';
  return number === TC_H_EGRESS_HOOK ? 'egress' : number;
}
