/** `log prefix TEXT level LEVEL` to the kernel's log. Logging to a netlink group, or with flags, is read as `other`. */
import type { ExpressionCodec } from '../expression.ts';
import { nameTable } from '../names.ts';

const NFTA_LOG_PREFIX = 2;
const NFTA_LOG_LEVEL = 5;

const LEVELS = nameTable({ emerg: 0, alert: 1, crit: 2, err: 3, warn: 4, notice: 5, info: 6, debug: 7, audit: 8 });

export type LogLevel = Exclude<ReturnType<typeof LEVELS.name>, undefined>;

export interface Log {
  kind: 'log';
  prefix?: string;
  level: LogLevel;
}

export const log: ExpressionCodec<Log> = {
  name: 'log',
  encode(writer, expression) {
    if (expression.prefix !== undefined) writer.string(NFTA_LOG_PREFIX, expression.prefix);
    writer.be32(NFTA_LOG_LEVEL, LEVELS.number(expression.level));
  },
  decode(reader) {
    let prefix: string | undefined;
    let level: LogLevel | undefined;
    while (reader.next()) {
      if (reader.type === NFTA_LOG_PREFIX) prefix = reader.string();
      else if (reader.type === NFTA_LOG_LEVEL) level = LEVELS.name(reader.be32());
      else return undefined;
    }
    return level === undefined ? undefined : { kind: 'log', ...(prefix === undefined ? {} : { prefix }), level };
  },
};
