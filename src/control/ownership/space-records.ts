/** The space of this node, network by network, as its journal has it (`space/<network>`). Pure over the journal's state. */
import { formatCidr } from '../../model/address/cidr.ts';
import type { Cidr } from '../../model/address/cidr.ts';
import { cidrFrom } from '../../model/ipam/blocks.ts';
import { cidrsOf, spanOf, without } from '../../model/ipam/spans.ts';
import type { JournalOperation } from '../../store/journal/port.ts';
import { spaceKey } from './keys.ts';
import type { OwnRecords } from './own-records.ts';

/** Space that left this node's hands and may not have reached the store: nobody here gives it out again. */
export interface Moving {
  cidr: string;
  /** id of the node it goes to */
  to: string;
}

export interface SpaceRecord {
  network: string;
  parts: string[];
  moving: Moving[];
}

export function spaceOf(own: OwnRecords, network: string): SpaceRecord {
  return own.get<SpaceRecord>(spaceKey(network)) ?? { network, parts: [], moving: [] };
}

export function ownedIn(own: OwnRecords, network: string): Cidr[] {
  return spaceOf(own, network).parts.map(cidrFrom);
}

export function withPart(record: SpaceRecord, part: Cidr): SpaceRecord {
  const family = record.parts.map(cidrFrom).filter((cidr) => cidr.family === part.family);
  const others = record.parts.filter((text) => cidrFrom(text).family !== part.family);
  const joined = cidrsOf(part.family, [...family, part].map(spanOf));
  return { ...record, parts: [...others, ...joined.map(formatCidr)] };
}

export function withoutPart(record: SpaceRecord, part: Cidr): SpaceRecord {
  const family = record.parts.map(cidrFrom).filter((cidr) => cidr.family === part.family);
  const others = record.parts.filter((text) => cidrFrom(text).family !== part.family);
  const left = cidrsOf(part.family, without(family.map(spanOf), [spanOf(part)]));
  return { ...record, parts: [...others, ...left.map(formatCidr)] };
}

/** Empty records are not kept. */
export function writeSpace(record: SpaceRecord): JournalOperation {
  const empty = record.parts.length === 0 && record.moving.length === 0;
  return empty ? { delete: spaceKey(record.network) } : { put: spaceKey(record.network), value: record };
}
