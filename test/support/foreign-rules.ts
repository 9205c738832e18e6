/** What others have written in a host's namespace, as text without the values of counters; and rules of weft's in it. */
import type { LabHost } from '../../src/lab/lab.ts';
import { run } from './docker.ts';

/** As nft prints ours: iptables-restore writes the comment as a match of its own, which nft does not show. */
const OURS = /^\s*[io]ifname "wu\*"\s+counter accept(?: comment "weft: uplinks of tenants")?$/;

export interface ForeignRules {
  /** by "ip filter FORWARD", a set by its name too: without weft's own table and without its rules in others */
  parts: Record<string, string>;
  /** by "ip filter FORWARD": how many rules of weft's stand there */
  ours: Record<string, number>;
}

export async function foreignRules(host: LabHost): Promise<ForeignRules> {
  const parts: Record<string, string> = {};
  const ours: Record<string, number> = {};
  let [table, part] = ['', ''];
  for (const line of (await run(host, 'nft', '-s', 'list', 'ruleset')).split('\n')) {
    table = /^table (\S+ \S+) \{$/.exec(line)?.[1] ?? table;
    part = /^\t(?:chain|set|map) (\S+) \{$/.exec(line)?.[1] ?? part;
    if (table.endsWith(' weft') || !line.startsWith('\t')) continue;
    const place = `${table} ${part}`;
    if (OURS.test(line)) ours[place] = (ours[place] ?? 0) + 1;
    else parts[place] = `${parts[place] ?? ''}${line}\n`;
  }
  return { parts, ours };
}
