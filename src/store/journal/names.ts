/**
 * The files of a journal. Logs are numbered without gaps; `snapshot-N` holds the state before `log-N`. What is not complete
 * yet ends in `.new` and does not count.
 */
import { join } from 'node:path';

export const MARK = 'mark';
export const RESERVE = 'reserve';
export const UNFINISHED = '.new';

export const logPath = (directory: string, number: number): string => join(directory, `log-${digits(number)}`);
export const snapshotPath = (directory: string, number: number): string =>
  join(directory, `snapshot-${digits(number)}`);

export interface Present {
  /** ascending */
  logs: number[];
  /** ascending */
  snapshots: number[];
  mark: boolean;
  unfinished: string[];
}

export function sortNames(names: readonly string[]): Present {
  const numbered = (kind: string) =>
    names
      .flatMap((name) => {
        const match = /^([a-z]+)-(\d{10,})$/.exec(name);
        return match?.[1] === kind ? [Number(match[2])] : [];
      })
      .sort((a, b) => a - b);
  return {
    logs: numbered('log'),
    snapshots: numbered('snapshot'),
    mark: names.includes(MARK),
    unfinished: names.filter((name) => name.endsWith(UNFINISHED)),
  };
}

const digits = (number: number) => String(number).padStart(10, '0');
