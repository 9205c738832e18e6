/** Queueing disciplines: RTM_*QDISC. Those with options of their own stand beside this file. */
import { AttributeWriter, readAttributes } from '../../wire/attributes.ts';
import type { Attribute } from '../../wire/attributes.ts';
import {
  readTrafficHeader,
  TC_H_CLSACT,
  TC_H_ROOT,
  TCA_KIND,
  TCA_OPTIONS,
  TCA_STATS2,
  TRAFFIC_HEADER,
  trafficHeader,
} from './header.ts';
import { decodeTrafficStatistics } from './statistics.ts';
import type { TrafficStatistics } from './statistics.ts';
import { decodeTbf, encodeTbf } from './tbf.ts';
import type { Tbf, TbfData } from './tbf.ts';

const CLSACT_HANDLE = 0xffff0000;

export interface QdiscReference {
  /** of the link */
  index: number;
  /** what hangs at `clsact` is clsact or ingress; TC_H_ROOT, the root, when left out */
  parent?: 'clsact' | number;
}

export interface QdiscSpec extends QdiscReference {
  /** `clsact` and `ingress` have no options and hang at `clsact` by themselves; others by name, with the kernel's defaults */
  kind: 'tbf' | 'clsact' | 'ingress' | (string & {});
  /** major << 16; the kernel's choice when left out */
  handle?: number;
  tbf?: TbfData;
}

export interface Qdisc {
  index: number;
  kind: string;
  handle: number;
  parent: 'clsact' | number;
  tbf?: Tbf;
  statistics?: TrafficStatistics;
  /** with the options of kinds that this library does not read */
  other: Attribute[];
}

export function encodeQdisc(spec: QdiscSpec): Buffer {
  const hooks = spec.kind === 'clsact' || spec.kind === 'ingress';
  const parent = spec.parent ?? (hooks ? 'clsact' : TC_H_ROOT);
  const handle = spec.handle ?? (hooks ? CLSACT_HANDLE : 0);
  const header = trafficHeader({ index: spec.index, handle, parent: parentNumber(parent) });
  const writer = new AttributeWriter().raw(header).string(TCA_KIND, spec.kind);
  const { tbf } = spec;
  if (tbf) writer.nested(TCA_OPTIONS, (options) => encodeTbf(options, tbf));
  return writer.finish();
}

export function encodeQdiscReference(reference: QdiscReference): Buffer {
  return trafficHeader({ index: reference.index, parent: parentNumber(reference.parent ?? TC_H_ROOT) });
}

/** A dump's filter: the kernel knows none. */
export function encodeQdiscQuery(): Buffer {
  return trafficHeader({});
}

export function decodeQdisc(payload: Buffer): Qdisc {
  const { index, handle, parent } = readTrafficHeader('qdisc', payload);
  const qdisc: Qdisc = { index, kind: '', handle, parent: parent === TC_H_CLSACT ? 'clsact' : parent, other: [] };
  let options: Buffer | undefined;
  readAttributes('qdisc', payload.subarray(TRAFFIC_HEADER), (reader) => {
    if (reader.type === TCA_KIND) qdisc.kind = reader.string();
    else if (reader.type === TCA_OPTIONS) options = reader.bytes();
    else if (reader.type === TCA_STATS2) qdisc.statistics = decodeTrafficStatistics(reader.bytes());
    else qdisc.other.push({ type: reader.type, data: Buffer.from(reader.bytes()) });
  });
  if (options && qdisc.kind === 'tbf') qdisc.tbf = decodeTbf(options);
  else if (options && options.length > 0) qdisc.other.push({ type: TCA_OPTIONS, data: Buffer.from(options) });
  return qdisc;
}

function parentNumber(parent: 'clsact' | number): number {
  return parent === 'clsact' ? TC_H_CLSACT : parent;
}
