/** What a filter does with the packets it matches: a list of actions, each TCA_ACT_*. */
import { readAttributes } from '../../wire/attributes.ts';
import type { Attribute, AttributeReader, AttributeWriter } from '../../wire/attributes.ts';
import { decodeMirred, encodeMirred } from './mirred.ts';
import type { Mirred, MirredData } from './mirred.ts';
import { decodeTrafficStatistics } from './statistics.ts';
import type { TrafficStatistics } from './statistics.ts';

const TCA_ACT_KIND = 1;
const TCA_ACT_OPTIONS = 2;
const TCA_ACT_STATS = 4;

/** The one kind that can be written: a packet, or its copy, goes on at another device. */
export interface ActionSpec {
  mirred: MirredData;
}

export interface Action {
  kind: string;
  mirred?: Mirred;
  statistics?: TrafficStatistics;
  /** with the options of kinds that this library does not read */
  other: Attribute[];
}

/** Actions are numbered by their place, from 1. */
export function encodeActions(writer: AttributeWriter, actions: readonly ActionSpec[]): void {
  actions.forEach(({ mirred }, i) => {
    writer.nested(i + 1, (action) => {
      action.string(TCA_ACT_KIND, 'mirred');
      action.nestedFlagged(TCA_ACT_OPTIONS, (options) => encodeMirred(options, mirred));
    });
  });
}

export function decodeActions(buffer: Buffer): Action[] {
  const actions: Action[] = [];
  readAttributes('actions', buffer, (reader) => void actions.push(decodeAction(reader)));
  return actions;
}

function decodeAction(list: AttributeReader): Action {
  const action: Action = { kind: '', other: [] };
  let options: Buffer | undefined;
  readAttributes(`action ${list.type}`, list.bytes(), (reader) => {
    if (reader.type === TCA_ACT_KIND) action.kind = reader.string();
    else if (reader.type === TCA_ACT_OPTIONS) options = reader.bytes();
    else if (reader.type === TCA_ACT_STATS) action.statistics = decodeTrafficStatistics(reader.bytes());
    else action.other.push({ type: reader.type, data: Buffer.from(reader.bytes()) });
  });
  const mirred = options && action.kind === 'mirred' ? decodeMirred(options) : undefined;
  if (mirred) action.mirred = mirred;
  else if (options) action.other.push({ type: TCA_ACT_OPTIONS, data: Buffer.from(options) });
  return action;
}
