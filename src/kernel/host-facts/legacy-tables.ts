/** The tables of iptables-legacy, which the kernel asks beside those of nftables. */
import { NetlinkError, readLegacyTable } from 'netlink-ts';
import type { LegacyChain, LegacyFamily, LegacyRule, LegacyTable } from 'netlink-ts';
import type { HostFacts } from '../../model/host-facts.ts';
import { UPLINKS } from '../host-egress.ts';
import { wordsIn } from './files.ts';

const FAMILIES = [
  { family: 4, name: 'ip', names: '/proc/net/ip_tables_names' },
  { family: 6, name: 'ip6', names: '/proc/net/ip6_tables_names' },
] as const;

export async function legacyTables(): Promise<Pick<HostFacts, 'legacyTables' | 'legacyDrops'>> {
  const found: Pick<HostFacts, 'legacyTables' | 'legacyDrops'> = { legacyTables: [], legacyDrops: [] };
  for (const { family, name, names } of FAMILIES) {
    for (const table of await wordsIn(names)) {
      const { empty, chains } = read(family, table) ?? { empty: true, chains: {} };
      if (!empty) found.legacyTables.push(`${name} ${table}`);
      if (table === 'filter' && chains.forward && dropsUplinks(chains.forward)) found.legacyDrops.push(name);
    }
  }
  return found;
}

/** Undefined for one that was changed at that moment. */
function read(family: LegacyFamily, table: string): LegacyTable | undefined {
  try {
    return readLegacyTable(family, table);
  } catch (error) {
    if (error instanceof NetlinkError) return undefined;
    throw error;
  }
}

/** What a container begins, or what answers it, comes to a drop before anything lets it through. */
export function dropsUplinks({ policy, byInterface }: LegacyChain): boolean {
  const fate = (fits: (rule: LegacyRule) => boolean) =>
    byInterface.find((rule) => rule.verdict !== 'other' && fits(rule))?.verdict ?? policy;
  const out = fate(({ iifname, oifname }) => isUplinks(iifname) && oifname === '');
  const back = fate(({ iifname, oifname }) => iifname === '' && isUplinks(oifname));
  return out === 'drop' || back === 'drop';
}

/** The names of all uplinks fit. */
function isUplinks(name: string): boolean {
  return name === '' || (name.endsWith('+') && UPLINKS.startsWith(name.slice(0, -1)));
}
