/** What every list has in common: filters, all pages of it, the four formats, and `--watch`. */
import type { Command } from 'commander';
import type { WeftClient } from '../api/client.ts';
import type { Methods, Streams } from '../api/definition.ts';
import { WeftError } from '../model/errors.ts';
import { collect, defaultTenant, globals, withClient } from './context.ts';
import { print, printItem, printTable } from './output.ts';
import type { Columns } from './output.ts';

type Filter = Methods['ListEndpoints']['request'];
type WatchEvent = Streams['Watch']['response'];

interface ListSpec<T> {
  kind: 'tenant' | 'network' | 'endpoint' | 'node';
  /** one page */
  read: (client: WeftClient, filter: Filter) => Promise<{ items: T[]; nextPageToken: string }>;
  columns: Columns<T>;
  /** beside the others, with `-o wide` */
  wide: Columns<T>;
}

export interface ListOptions {
  tenant?: string;
  all?: boolean;
  node?: string;
  network?: string;
  label?: string[];
  state?: string;
  container?: string;
  project?: string;
  watch?: boolean;
}

/** -t and -A */
export function withTenants(command: Command): Command {
  return command
    .option('-t, --tenant <tenant>', 'of this tenant (default: $WEFT_TENANT, else "default")')
    .option('-A, --all', 'of all tenants');
}

/** -t and -A, and labels. */
export function withScope(command: Command): Command {
  return withTenants(command).option('--label <key[=value]>', 'with this label, repeatable', collect, []);
}

export function addList<T extends object>(command: Command, spec: ListSpec<T>): Command {
  return command
    .option('-w, --watch', 'what is there, then every change, until interrupted')
    .action(async (options: ListOptions, self: Command) => {
      const filter = filterOf(self, options);
      const { output } = globals(self);
      await withClient(self, async (client) => {
        if (options.watch) return await watch(client, spec, filter, output);
        const items = await readAll(client, spec, filter);
        print(output, items, (wide) => printTable(items, columnsOf(spec, wide)));
      });
    });
}

/** Of all tenants where the command knows none. */
export function filterOf(command: Command, options: ListOptions): Filter {
  const scoped = command.options.some(({ long }) => long === '--tenant');
  return {
    tenant: !scoped || options.all ? '' : defaultTenant(options.tenant),
    node: options.node ?? '',
    network: options.network ?? '',
    labels: options.label ?? [],
    state: options.state ?? '',
    container: options.container ?? '',
    project: options.project ?? '',
  };
}

export async function readAll<T>(
  client: WeftClient,
  { read }: Pick<ListSpec<T>, 'read'>,
  filter: Filter,
): Promise<T[]> {
  const all: T[] = [];
  let pageToken = '';
  do {
    const page = await read(client, { ...filter, pageToken });
    all.push(...page.items);
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  return all;
}

function columnsOf<T>(spec: ListSpec<T>, wide: boolean): Columns<T> {
  return wide ? { ...spec.columns, ...spec.wide } : spec.columns;
}

async function watch<T extends object>(
  client: WeftClient,
  spec: ListSpec<T>,
  filter: Filter,
  output: 'table' | 'wide' | 'json' | 'yaml',
): Promise<void> {
  const { tenant = '', network = '', node = '', labels = [] } = filter;
  const asRows = output === 'table' || output === 'wide';
  const rows = new EventRows<T>(columnsOf(spec, output === 'wide'));
  for await (const event of followed(client, { kinds: [spec.kind], tenant, network, node, labels })) {
    if (event.type === 'synced' && asRows) rows.flush();
    const object = (event as unknown as Record<string, T>)[spec.kind];
    if (!object) continue;
    if (asRows) rows.add(event.type, object);
    else printItem(output, { event: event.type, ...object });
  }
}

/** The daemon's watch, until the user interrupts it. The daemon's own end is an error: the user would wait for nothing. */
export async function* followed(client: WeftClient, request: Streams['Watch']['request']): AsyncIterable<WatchEvent> {
  const interrupted = new AbortController();
  const stop = () => interrupted.abort();
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    yield* client.stream('Watch', request, interrupted.signal);
    if (!interrupted.signal.aborted) throw new WeftError('daemon-away', 'weftd ended the watch: it is stopping');
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

/** A table that grows: columns are as wide as what was there at first, and wider only for what needs it. */
class EventRows<T> {
  readonly #columns: [heading: string, cell: (row: T) => string | number][];
  #waiting: string[][] | undefined;
  #widths: number[];

  constructor(columns: Columns<T>) {
    this.#columns = Object.entries(columns);
    this.#waiting = [];
    this.#widths = [];
  }

  add(type: string, row: T): void {
    const cells = [type, ...this.#columns.map(([, cell]) => String(cell(row)) || '-')];
    if (this.#waiting) this.#waiting.push(cells);
    else this.#print(cells);
  }

  /** Prints what was there at first, headings above it. */
  flush(): void {
    const rows = [['EVENT', ...this.#columns.map(([heading]) => heading)], ...(this.#waiting ?? [])];
    this.#waiting = undefined;
    for (const row of rows) this.#print(row, rows);
  }

  #print(cells: string[], all: string[][] = [cells]): void {
    for (const row of all) this.#widths = row.map((cell, i) => Math.max(cell.length, this.#widths[i] ?? 0));
    console.log(
      cells
        .map((cell, i) => cell.padEnd(this.#widths[i] ?? 0))
        .join('   ')
        .trimEnd(),
    );
  }
}
