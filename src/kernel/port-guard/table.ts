/** The table `bridge weft` of a tenant's namespace. */
import type { Table, TableName } from 'netlink-ts';
import type { PortGuardIntent } from '../../plan/port-guard/intent.ts';
import { arpChains, commonChains, entryChains, ipChains } from './chains.ts';
import { claimChains } from './claims.ts';
import { discoveryChains, ip6Chains } from './chains-ipv6.ts';
import { portGuardSets } from './sets.ts';

export const PORT_GUARD_TABLE: TableName = { family: 'bridge', name: 'weft' };

export function portGuardTable(intent: PortGuardIntent): Table {
  return {
    ...PORT_GUARD_TABLE,
    sets: portGuardSets(intent),
    chains: [
      ...entryChains(),
      ...ipChains(),
      ...arpChains(),
      ...ip6Chains(),
      ...discoveryChains(),
      ...claimChains(),
      ...commonChains(),
    ],
  };
}
