/** How full the table is, and what went wrong in it: IPCTNL_MSG_CT_GET_STATS and _GET_STATS_CPU. */
import { decodeHeader } from '../nfnetlink/header.ts';
import { readAttributes } from '../wire/attributes.ts';

const CTA_STATS_GLOBAL_ENTRIES = 1;
const CTA_STATS_GLOBAL_MAX_ENTRIES = 2;

export interface TableFill {
  /** flows of this namespace */
  entries: number;
  /** how many each namespace may have: nf_conntrack_max, one number for the machine */
  maximum: number;
}

export function decodeTableFill(payload: Buffer): TableFill {
  const fill: TableFill = { entries: 0, maximum: 0 };
  readAttributes('conntrack statistics', decodeHeader('conntrack statistics', payload).attributes, (reader) => {
    if (reader.type === CTA_STATS_GLOBAL_ENTRIES) fill.entries = reader.be32();
    else if (reader.type === CTA_STATS_GLOBAL_MAX_ENTRIES) fill.maximum = reader.be32();
  });
  return fill;
}

/** CTA_STATS_*; those that are missing here are no longer counted */
const COUNTED = {
  found: 2,
  invalid: 4,
  insert: 8,
  insertFailed: 9,
  drop: 10,
  earlyDrop: 11,
  error: 12,
  searchRestart: 13,
  clashResolve: 14,
  chainTooLong: 15,
} as const;

/** Since the namespace began. Packets were lost to a full table when `drop` or `earlyDrop` grows. */
export type CpuStatistics = { cpu: number } & Record<keyof typeof COUNTED, number>;

const NAMES = new Map(Object.entries(COUNTED).map(([name, type]) => [type as number, name as keyof typeof COUNTED]));

export function decodeCpuStatistics(payload: Buffer): CpuStatistics {
  const { resource, attributes } = decodeHeader('conntrack statistics', payload);
  const found = Object.fromEntries(Object.keys(COUNTED).map((name) => [name, 0])) as CpuStatistics;
  found.cpu = resource;
  readAttributes('conntrack statistics', attributes, (reader) => {
    const name = NAMES.get(reader.type);
    if (name !== undefined) found[name] = reader.be32();
  });
  return found;
}
