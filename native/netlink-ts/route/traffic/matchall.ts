/** A filter that matches every packet: TCA_MATCHALL_* (linux/pkt_cls.h, since 4.8). */
import { readAttributes } from '../../wire/attributes.ts';
import type { Attribute, AttributeWriter } from '../../wire/attributes.ts';
import { decodeActions, encodeActions } from './action.ts';
import type { Action, ActionSpec } from './action.ts';

const TCA_MATCHALL_CLASSID = 1;
const TCA_MATCHALL_ACT = 2;

export interface MatchallSpec {
  /** class that packets go to */
  classId?: number;
  actions?: readonly ActionSpec[];
}

export interface MatchallFilter {
  classId?: number;
  actions: Action[];
  other: Attribute[];
}

export function encodeMatchall(writer: AttributeWriter, spec: MatchallSpec): void {
  const { actions } = spec;
  if (spec.classId !== undefined) writer.u32(TCA_MATCHALL_CLASSID, spec.classId);
  if (actions) writer.nested(TCA_MATCHALL_ACT, (list) => encodeActions(list, actions));
}

export function decodeMatchall(buffer: Buffer): MatchallFilter {
  const filter: MatchallFilter = { actions: [], other: [] };
  readAttributes('matchall', buffer, (reader) => {
    if (reader.type === TCA_MATCHALL_CLASSID) filter.classId = reader.u32();
    else if (reader.type === TCA_MATCHALL_ACT) filter.actions = decodeActions(reader.bytes());
    else filter.other.push({ type: reader.type, data: Buffer.from(reader.bytes()) });
  });
  return filter;
}
