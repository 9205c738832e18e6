/** `log`: a line in the kernel's log, or the packet itself to the listeners of a netlink group (NFLOG). The packet goes on. */
import type { ExpressionCodec } from '../expression.ts';
import { bitMask, bitNames, nameTable } from '../names.ts';

const NFTA_LOG_GROUP = 1;
const NFTA_LOG_PREFIX = 2;
const NFTA_LOG_SNAPLEN = 3;
const NFTA_LOG_QTHRESHOLD = 4;
const NFTA_LOG_LEVEL = 5;
const NFTA_LOG_FLAGS = 6;

const LEVELS = nameTable({ emerg: 0, alert: 1, crit: 2, err: 3, warn: 4, notice: 5, info: 6, debug: 7, audit: 8 });
const FLAGS = { 'tcp-sequence': 0x01, 'tcp-options': 0x02, 'ip-options': 0x04, skuid: 0x08, ether: 0x20 } as const;

export type LogLevel = Exclude<ReturnType<typeof LEVELS.name>, undefined>;
/** `skuid`: the user who owns the socket; `ether`: the link layer's header */
export type LogFlag = keyof typeof FLAGS;

export type Log = LogLine | LogPacket;

export interface LogLine {
  kind: 'log';
  /** at most 127 bytes */
  prefix?: string;
  /** `audit` goes to the audit subsystem */
  level: LogLevel;
  flags?: LogFlag[];
}

export interface LogPacket {
  kind: 'log';
  prefix?: string;
  group: number;
  /** bytes of the packet that the listener gets; 0 or none: all */
  snaplen?: number;
  /** packets that the kernel gathers before it wakes the listener */
  queueThreshold?: number;
}

export const log: ExpressionCodec<Log> = {
  name: 'log',
  encode(writer, expression) {
    if (expression.prefix !== undefined) writer.string(NFTA_LOG_PREFIX, expression.prefix);
    if ('group' in expression) {
      writer.be16(NFTA_LOG_GROUP, expression.group);
      if (expression.snaplen !== undefined) writer.be32(NFTA_LOG_SNAPLEN, expression.snaplen);
      if (expression.queueThreshold !== undefined) writer.be16(NFTA_LOG_QTHRESHOLD, expression.queueThreshold);
    } else {
      writer.be32(NFTA_LOG_LEVEL, LEVELS.number(expression.level));
      if (expression.flags) writer.be32(NFTA_LOG_FLAGS, bitMask(FLAGS, expression.flags));
    }
  },
  decode(reader) {
    const packet: Partial<LogPacket> = {};
    let prefix: Pick<Log, 'prefix'> = {};
    let level: LogLevel | undefined;
    let mask = 0;
    while (reader.next()) {
      if (reader.type === NFTA_LOG_PREFIX) prefix = { prefix: reader.string() };
      else if (reader.type === NFTA_LOG_GROUP) packet.group = reader.be16();
      else if (reader.type === NFTA_LOG_SNAPLEN) packet.snaplen = reader.be32();
      else if (reader.type === NFTA_LOG_QTHRESHOLD) packet.queueThreshold = reader.be16();
      else if (reader.type === NFTA_LOG_LEVEL) level = LEVELS.name(reader.be32());
      else if (reader.type === NFTA_LOG_FLAGS) mask = reader.be32();
      else return undefined;
    }
    const { group, ...rest } = packet;
    if (group !== undefined) return mask || level ? undefined : { kind: 'log', ...prefix, group, ...rest };
    const flags = bitNames(FLAGS, mask);
    if (level === undefined || !flags || Object.keys(rest).length) return undefined;
    return { kind: 'log', ...prefix, level, ...(flags.length ? { flags } : {}) };
  },
};
