/** What others have written in a host's namespace, as text without the values of counters; and rules of weft's in it. */
import type { LabHost } from '../../src/lab/lab.ts';
import { run } from './docker.ts';

/** As nft prints ours: iptables-restore writes the comment as a match of its own, which nft does not show. */
const OURS = /^\s*[io]ifname "wu\*"\s+counter accept(?: comment "weft: uplinks of tenants")?$/;

export interface ForeignRules {
  /** by the table's family and name, without weft's own table and without its rules in others */
  tables: Map<string, string>;
  /** by "ip filter FORWARD": how many rules of weft's stand there */
  ours: Record<string, number>;
}

export async function foreignRules(host: LabHost): Promise<ForeignRules> {
  const tables = new Map<string, string>();
  const ours: Record<string, number> = {};
  let [table, chain] = ['', ''];
  for (const line of (await run(host, 'nft', '-s', 'list', 'ruleset')).split('\n')) {
    table = /^table (\S+ \S+) \{$/.exec(line)?.[1] ?? table;
    chain = /^\tchain (\S+) \{$/.exec(line)?.[1] ?? chain;
    if (table.endsWith(' weft')) continue;
    if (OURS.test(line)) ours[`${table} ${chain}`] = (ours[`${table} ${chain}`] ?? 0) + 1;
    else tables.set(table, `${tables.get(table) ?? ''}${line}\n`);
  }
  return { tables, ours };
}
