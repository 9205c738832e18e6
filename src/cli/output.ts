/** Tables for people, JSON and YAML for programs; all on stdout, errors on stderr. */
import { createRequire } from 'node:module';
import Table from 'cli-table3';
import type * as Yaml from 'yaml';
import type { ErrorReport } from '../model/errors.ts';

const PLAIN = {
  ...{ top: '', 'top-mid': '', 'top-left': '', 'top-right': '' },
  ...{ bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '' },
  ...{ left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  ' },
};

export const FORMATS = ['table', 'wide', 'json', 'yaml'] as const;
export type Format = (typeof FORMATS)[number];

/** Cells by heading. */
export type Columns<T> = Record<string, (row: T) => string | number>;

/** A value as a program wants it, or as `forPeople` shows it. */
export function print(format: Format, value: unknown, forPeople: (wide: boolean) => void): void {
  if (format === 'json') console.log(JSON.stringify(value, undefined, 2));
  else if (format === 'yaml') console.log(yamlOf(value));
  else forPeople(format === 'wide');
}

/** One of a stream of values, each of which stands alone: a line of JSON, a document of YAML. */
export function printItem(format: 'json' | 'yaml', value: unknown): void {
  console.log(format === 'json' ? JSON.stringify(value) : `---\n${yamlOf(value)}`);
}

/** The package has seventy files, which most commands would load for nothing. */
function yamlOf(value: unknown): string {
  const { stringify } = createRequire(import.meta.url)('yaml') as typeof Yaml;
  return stringify(value).trimEnd();
}

/** Columns by heading; a list of nothing prints its headings only. */
export function printTable<T>(rows: readonly T[], columns: Columns<T>): void {
  const table = new Table({
    head: Object.keys(columns),
    chars: PLAIN,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 1, compact: true },
  });
  for (const row of rows) table.push(Object.values(columns).map((cell) => String(cell(row)) || '-'));
  console.log(
    table
      .toString()
      .split('\n')
      .map((line) => line.trimEnd())
      .join('\n'),
  );
}

/** One object: its fields, lists joined, what is empty left out. */
export function printObject(fields: Record<string, unknown>): void {
  const shown = Object.entries(fields).filter(([, value]) => value !== '' && value !== null && value !== undefined);
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  for (const [name, value] of shown) console.log(`${name.padEnd(width)}  ${inline(value)}`);
}

function inline(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.map(inline).join(', ');
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value)
      .filter(([, inner]) => inner !== '' && inner !== null)
      .map(([name, inner]) => `${name}=${inline(inner)}`)
      .join(' ');
  }
  return String(value);
}

export function printError(report: ErrorReport, format: Format): void {
  if (format === 'json') return console.error(JSON.stringify(report, undefined, 2));
  if (format === 'yaml') return console.error(yamlOf(report));
  const where = report.host ? ` (on ${report.host})` : '';
  console.error(`error ${report.code}: ${report.message}${where}${report.cause ? `: ${report.cause}` : ''}`);
  console.error(`next: ${report.next}`);
}

/** "3m", "2h", "5d" */
export function age(since: string, now: Date = new Date()): string {
  const seconds = Math.max(0, Math.floor((now.getTime() - Date.parse(since)) / 1_000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)}m`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3_600)}h` : `${Math.floor(seconds / 86_400)}d`;
}
